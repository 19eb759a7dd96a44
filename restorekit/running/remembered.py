"""Answers that a machine gives once: measured the first time, kept in a file, the same ever after.

The file lies in the user's cache folder, or in the one that RESTOREKIT_CACHE names; removing it asks again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from restorekit.cache import cache_folder
from restorekit.errors import ImageError
from restorekit.files import write_atomically

__all__ = ["once"]


def once(question: str, answer: Callable[[], bool]) -> bool | None:
    """The answer to a question, asked when there is none yet; None where it cannot be kept.

    Of two processes that ask at the same time both get the answer of the first that is done.
    """
    path = cache_folder() / f"{hashlib.sha256(question.encode()).hexdigest()[:16]}.json"
    if (kept := _kept(path)) is not None:
        return kept
    damaged = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            return None
        text = json.dumps({"question": question, "answer": answer()}) + "\n"
        with suppress(ImageError):  # another process was faster, or the disk is full
            write_atomically(path, text.encode(), overwrite=damaged)
    except OSError:
        return None
    return _kept(path)


def _kept(path: Path) -> bool | None:
    """The answer in a file; None where there is none, or another thing."""
    try:
        found = json.loads(path.read_text())["answer"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, bool) else None
