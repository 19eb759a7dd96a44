"""Refusals: one plain sentence each, with a status of HTTP, and the errors of restoring turned into them."""

from __future__ import annotations

import re

from restorekit.errors import RestorekitError
from restorekit.machine import short_of_memory

__all__ = ["Refusal", "refusal_of"]

# The remedies that the command line names, as queries have them.
OPTIONS = ((r"restore --salvage", "salvage=true"), (r" with -o\b", " with format="), (r"a \.tif\b", "tif"))
OPTION = re.compile(r"--([a-z]+) (?=[\w.]+)")


class Refusal(Exception):
    """An answer other than a result.

    status: of HTTP.
    text: one sentence, with the remedy.
    after: seconds after which to try again; None where that is of no use.
    """

    def __init__(self, status: int, text: str, after: int | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.after = status, text, after


def refusal_of(error: RestorekitError) -> Refusal:
    """The refusal for an error: 413 too large, 415 no picture, 503 no memory, 500 a fault, else 422."""
    from restorekit.image.decoder import UnknownKindError
    from restorekit.work.uploads import TooLargeError

    text = in_query_words(str(error))
    if isinstance(error, TooLargeError):
        return Refusal(413, text)
    if isinstance(error, UnknownKindError):
        return Refusal(415, text)
    if short_of_memory(error) or "not enough memory" in text:
        return Refusal(503, text, 10)
    cause = error.__cause__
    if isinstance(cause, Exception) and type(error) is RestorekitError and not isinstance(cause, RestorekitError):
        return Refusal(500, text)
    return Refusal(422, text)


def in_query_words(text: str) -> str:
    """A message with the command line's options as those of a query: "--tile 512" is "tile=512"."""
    for before, after in OPTIONS:
        text = re.sub(before, after, text)
    return OPTION.sub(r"\1=", text)
