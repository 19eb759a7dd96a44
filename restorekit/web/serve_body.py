"""A picture out of a request: the field `file` of a form, or the body itself; straight to disk, and bounded."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from restorekit.web.serve_places import GoneError
from restorekit.web.serve_refusals import Refusal

__all__ = ["Body"]

IDLE = 30.0  # seconds without a byte
SLOWEST = 20_000  # bytes a second, beyond the first IDLE seconds
FRAME = 16_384  # bytes of a form beside its file
DRAINED, DRAINING = 8 << 20, 2.0  # bytes and seconds that are thrown away before a refusal
REMEDY = "send it as the body, or as the file of a form: curl -F file=@photo.jpg"
NAMED = 120  # characters of a file's name that are kept
COMMANDS = re.compile('["\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]')


class Body:
    """The body of a request.

    most: bytes that the picture may have.
    whole: whether all of it was taken.
    """

    def __init__(self, request: Request, most: int) -> None:
        self.request, self.most = request, most
        self.form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
        self.allowed = most + FRAME * self.form
        self.taken = 0
        self.whole = False
        self.begun = time.monotonic()

    def check_length(self) -> None:
        """Refuse a body that says of itself that it is too large."""
        length = self.request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.allowed:
            raise self.too_large()

    async def save(self, path: Path) -> str:
        """Write the picture to a file; its name, by the sender."""
        self.check_length()
        name = ""
        try:
            if self.form:
                name = await self.save_file_of_form(path)
            else:
                with path.open("wb") as file:
                    async for piece in self.counted().stream():
                        file.write(piece)
        except ClientDisconnect:
            raise GoneError from None
        except OSError as error:
            reason = error.strerror or error
            raise Refusal(507, f"cannot store the picture: {reason}; free some space on the server") from error
        if not path.stat().st_size:
            raise Refusal(422, f"the picture is empty; {REMEDY}")
        return tidy(name) or "the picture"

    async def save_file_of_form(self, path: Path) -> str:
        """Write the file of a form to a file; its name."""
        try:
            form = await self.counted().form(max_files=1, max_fields=1, max_part_size=FRAME)
        except (HTTPException, FormParserError) as error:
            reason = str(getattr(error, "detail", error)).rstrip(".")
            raise Refusal(422, f"the form cannot be read: {reason}; {REMEDY}") from error
        try:
            for field, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    advice = "options go into the address, as ?scale=2"
                    raise Refusal(422, f"the field {tidy(field)!r} of the form is no file; {advice}")
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if not files:
                raise Refusal(422, f"the form has no file; {REMEDY}")
            with path.open("wb") as target:
                await asyncio.to_thread(shutil.copyfileobj, files[0].file, target)
            return files[0].filename or ""
        finally:
            await form.close()

    def counted(self) -> Request:
        """The request, whose bytes are counted on their way."""
        return Request(self.request.scope, self.receive)

    async def receive(self) -> Message:
        """The next piece, if it comes in time and the whole is not too large by it."""
        try:
            message = await asyncio.wait_for(self.next(), IDLE)
        except TimeoutError:
            raise Refusal(408, f"nothing came for {IDLE:.0f} seconds; send the picture again") from None
        self.taken += len(message.get("body", b""))
        if self.taken > self.allowed:
            raise self.too_large()
        if time.monotonic() - self.begun > IDLE + self.taken / SLOWEST:
            raise Refusal(408, "the picture comes too slowly; send it again over a faster line")
        return message

    async def drain(self) -> None:
        """Throw away what a client still sends, for a while: else the end of the connection may reach it before a
        refusal does. A client that waits to be asked for the body is not asked."""
        if self.whole or "expect" in self.request.headers:
            return
        more = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAINING):
                while not self.whole and more < DRAINED:
                    more += len((await self.next()).get("body", b""))

    async def next(self) -> Message:
        """The next message of the client."""
        message = await self.request.receive()
        self.whole = not message.get("more_body", False)  # or it has gone away
        return message

    async def left(self) -> None:
        """Return once the client has gone away."""
        while (await self.next())["type"] != "http.disconnect":
            pass

    def too_large(self) -> Refusal:
        return Refusal(413, f"the picture has more than {self.most / 1e6:.3g} MB; send a smaller file")


def tidy(name: str) -> str:
    """The last part of a name by a sender, without what commands a terminal or ends a header."""
    return COMMANDS.sub("", re.split(r"[/\\]", name)[-1])[:NAMED]
