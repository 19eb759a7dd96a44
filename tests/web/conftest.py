"""A server on loopback with tiny weights, and clients of it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The one sentence of a refusal."""
        (text,) = self.json.values()
        assert "\n" not in text
        return text


def form(
    data: bytes, name: str = "photo.png", field: str = "file", **others: bytes
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a form with a file, and others by their fields."""
    parts = [(field, name, data), *((other, f"{other}.png", held) for other, held in others.items())]
    body = b"".join(
        f'--=b\r\nContent-Disposition: form-data; name="{one}"; filename="{called}"\r\n\r\n'.encode()
        + held
        + b"\r\n"
        for one, called, held in parts
    )
    return body + b"--=b--\r\n", {"Content-Type": "multipart/form-data; boundary==b"}


class Client:
    """Asks a server on loopback, each time on a connection of its own."""

    def __init__(self, port: int, lines: list[str]) -> None:
        self.port, self.lines = port, lines

    def ask(self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = "") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def begin(self, path: str, body: bytes) -> socket.socket:
        """Send a request and do not wait for its answer."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, self.lines
            time.sleep(0.01)

    def inside(self) -> int:
        return self.ask("/health").json["inside"]


@contextmanager
def serving(**facts: Any) -> Iterator[Client]:
    """Serve on a free port, in a thread. facts: of the service."""
    import uvicorn

    from restorekit.web.serve import config_of, listening
    from restorekit.web.serve_service import Service

    lines: list[str] = []
    place = listening("127.0.0.1", 0)
    server = uvicorn.Server(config_of(Service(say=lines.append, **facts)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    client = Client(place.getsockname()[1], lines)
    try:
        client.wait(lambda: server.started)
        yield client
    finally:
        server.should_exit = True
        thread.join()
        place.close()


@pytest.fixture(scope="package")
def one_restorer(weights_folder):
    """A restorer with tiny weights."""
    from restorekit.running.restorer import Restorer

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_WEIGHTS", str(weights_folder))
        yield Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture(scope="package")
def client(one_restorer) -> Iterator[Client]:
    """A client of a server with small limits."""
    from restorekit.web.serve_service import Limits

    limits = Limits(at_once=2, size=200_000, pixels=20_000)
    with serving(restorer=one_restorer, limits=limits, origins=("https://friend.example",)) as asking:
        yield asking
