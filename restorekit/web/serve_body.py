"""A picture out of a request: the field `file` of a form, or the body itself; straight to disk, and bounded.

A form may hold masks beside it: the field `mask`, or `mask.noise` for that of one basis.
"""

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
from restorekit.work.uploads import Upload

__all__ = ["Body"]

IDLE = 30.0  # seconds without a byte
SLOWEST = 20_000  # bytes a second, beyond the first IDLE seconds
FRAME = 16_384  # bytes of a form beside its file
DRAINED, DRAINING = 8 << 20, 2.0  # bytes and seconds that are thrown away before a refusal
REMEDY = "send it as the body, or as the file of a form: curl -F file=@photo.jpg"
MASKS = 8  # in a form
MASK = "mask"  # name of the field, alone or before a point and a basis
NAMED = 120  # characters of a file's name that are kept
COMMANDS = re.compile('["\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]')


class Body:
    """The body of a request.

    most: bytes that the picture may have, its masks with it.
    pixels: that the picture may have, and each mask.
    whole: whether all of it was taken.
    """

    def __init__(self, request: Request, most: int, pixels: int | None = None) -> None:
        self.request, self.most, self.pixels = request, most, pixels
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

    async def save(self, path: Path) -> Upload:
        """Write the picture to a file, and the masks of a form beside it."""
        self.check_length()
        name = ""
        masks: dict[str, Upload] = {}
        try:
            if self.form:
                name, masks = await self.save_files_of_form(path)
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
        return Upload(path, tidy(name) or "the picture", self.pixels, masks)

    async def save_files_of_form(self, path: Path) -> tuple[str, dict[str, Upload]]:
        """Write the files of a form to files; the picture's name, and the masks by name of the basis."""
        try:
            form = await self.counted().form(max_files=1 + MASKS, max_fields=1, max_part_size=FRAME)
        except (HTTPException, FormParserError) as error:
            reason = str(getattr(error, "detail", error)).rstrip(".")
            raise Refusal(422, f"the form cannot be read: {reason}; {REMEDY}") from error
        try:
            for field, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    advice = "options go into the address, as ?scale=2"
                    raise Refusal(422, f"the field {tidy(field)!r} of the form is no file; {advice}")
            files = [(f, value) for f, value in form.multi_items() if isinstance(value, UploadFile)]
            drawn = [(f, value) for f, value in files if f == MASK or f.startswith(f"{MASK}.")]
            pictures = [value for f, value in files if (f, value) not in drawn]
            if len(pictures) != 1:
                raise Refusal(422, f"the form has {len(pictures) or 'no'} pictures, masks aside; {REMEDY}")
            masks: dict[str, Upload] = {}
            for number, (field, file) in enumerate(drawn, start=1):
                basis = field.removeprefix(MASK).removeprefix(".")
                if basis in masks:
                    raise Refusal(422, f"the form has the field {tidy(field)!r} twice; send one file")
                place = path.with_name(f"mask {number}")
                masks[basis] = Upload(place, tidy(file.filename or "") or "the mask", self.pixels)
                await stored(file, place)
            await stored(pictures[0], path)
            return pictures[0].filename or "", masks
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


async def stored(file: UploadFile, path: Path) -> None:
    """Write a file of a form to the disk."""
    with path.open("wb") as target:
        await asyncio.to_thread(shutil.copyfileobj, file.file, target)


def tidy(name: str) -> str:
    """The last part of a name by a sender, without what commands a terminal or ends a header."""
    return COMMANDS.sub("", re.split(r"[/\\]", name)[-1])[:NAMED]
