"""`restorekit serve`: one restorer behind an address, until it is told to stop.

Uvicorn listens, FastAPI has the addresses (`serve_app`); both are an extra, and are imported here only.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import Catalog
from restorekit.web.serve_service import LOOPBACK, Limits, Service
from restorekit.work.request import Options
from restorekit.work.setup import left_out, load, slow_precision

if TYPE_CHECKING:
    import uvicorn

__all__ = ["DOCKERFILE", "INSTALL", "check_installed", "config_of", "listening", "run", "serve"]

INSTALL = "pip install 'restorekit[serve]'"
NEEDED = ("fastapi", "uvicorn", "python_multipart")
DOCKERFILE = Path(__file__).with_name("Dockerfile")
GRACE = 10  # seconds that pictures under way have when the server is told to stop
IDLE = 20  # seconds that a connection is kept without a request


def check_installed() -> None:
    """Raise unless the extra is installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RestorekitError(f"serving needs {', '.join(missing)}: {INSTALL}")


def listening(host: str, port: int) -> socket.socket:
    """Open the socket of a server; RestorekitError where host or port cannot be had. port: 0 for any free one."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = "choose another --host or --port"
        raise RestorekitError(f"cannot listen on {host}:{port}: {reason}; {remedy}") from error


def is_loopback(place: socket.socket) -> bool:
    """Tell whether a socket is reached from this machine only."""
    return ipaddress.ip_address(place.getsockname()[0]).is_loopback


def serve(
    catalog: Catalog,
    options: Options,
    *,
    host: str = "127.0.0.1",
    port: int = 7000,
    limits: Limits | None = None,
    origins: tuple[str, ...] = (),
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Load a restorer and offer it until KeyboardInterrupt or SIGTERM.

    catalog: plugins to choose from.
    options: model, device, precision, bases and offline of all requests; the other wishes are each request's own.
    host: name or number of the network to listen on; the default is reached from this machine only.
    port: number to listen on.
    limits: bounds on pictures and on how many there are; None is `Limits()`.
    origins: as in `Service`.
    say: told a line when it listens and for each request.
    """
    check_installed()
    with listening(host, port) as place:
        restorer = load(catalog, options, tell=say)
        missing = left_out(restorer)
        for line in (*restorer.failures, *missing, slow_precision(restorer)):
            if line:
                say(f"warning: {line}")
        hosts = (*LOOPBACK, host) if is_loopback(place) else ()
        service = Service(
            restorer=restorer,
            limits=limits or Limits(),
            missing=missing,
            hosts=hosts,
            origins=origins,
            say=say,
        )
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{place.getsockname()[1]}/ restores; Ctrl-C stops it")
        run(service, place)


def run(service: Service, place: socket.socket) -> None:
    """Serve on a socket until the process is told to stop."""
    import uvicorn

    uvicorn.Server(config_of(service)).run(sockets=[place])


def config_of(service: Service) -> uvicorn.Config:
    """The server's configuration: HTTP/1.1 alone, quiet, bounded."""
    import uvicorn

    from restorekit.web.serve_app import make_app

    return uvicorn.Config(
        make_app(service),
        http="h11",
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=4 * (service.limits.at_once + service.limits.waiting) + 64,
    )
