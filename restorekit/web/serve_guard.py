"""A guard before all addresses: web pages of other origins, and names that only pretend to be this machine's, are
turned away. A page anywhere could otherwise send pictures to a server on the visitor's own machine.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Guard"]


class Guard:
    """Answers 403 to strangers.

    app: the addresses behind it.
    hosts, origins: as in `Service`.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
        self.app, self.hosts, self.origins = app, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (fault := self.fault(Headers(scope=scope))):
            await JSONResponse({"error": fault}, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def fault(self, headers: Headers) -> str:
        """The reason to turn a request away; empty if there is none."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts and urlsplit(f"//{host}").hostname not in self.hosts:
            return f"this server is not called {host}; ask for it as {self.hosts[0]}, or start it with --host"
        if origin is None or origin in self.origins or origin in (f"http://{host}", f"https://{host}"):
            return ""
        return f"pages of {origin} may not use this server; start it with --origin {origin} to let them"
