"""Files that a program writes and a person may change: the last line is a digest of what is above it.

A file that is as it was written is replaced by the next one; beside one that a person has changed, the next one
gets a name of its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["signed", "write_unless_edited"]

MARK = "written by restorekit train; sha256 of what is above: "
COMMENTS = {".md": "<!-- {} -->", ".toml": "# {}"}


def signed(text: str, suffix: str) -> str:
    """The text with its digest as a comment at its end. suffix: of the file, .md or .toml."""
    return text + signature(text, suffix)


def signature(text: str, suffix: str) -> str:
    """The last line of a file that was written here."""
    return COMMENTS[suffix].format(MARK + hashlib.sha256(text.encode()).hexdigest()) + "\n"


def write_unless_edited(path: Path, text: str) -> Path:
    """Write a text with its digest at its end. Where the file is there and a person has made or changed it, write
    NAME.generated.EXT beside it; the path."""
    if path.exists() and not as_it_was_written(path):
        path = path.with_name(f"{path.stem}.generated{path.suffix}")
    path.write_text(signed(text, path.suffix))
    return path


def as_it_was_written(path: Path) -> bool:
    """Tell whether nobody has changed a file since it was written here."""
    try:
        lines = path.read_text().splitlines(keepends=True)
    except UnicodeDecodeError:
        return False
    return bool(lines) and lines[-1] == signature("".join(lines[:-1]), path.suffix)
