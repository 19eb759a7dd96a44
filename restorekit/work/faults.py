"""Errors of any kind as one line that names the picture and the remedy."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

from restorekit.errors import ImageError, RestorekitError
from restorekit.machine import short_of_memory
from restorekit.work.jobs import Job

__all__ = ["in_one_line"]


def in_one_line(job: Job, error: Exception) -> RestorekitError:
    """Turn any error into one of ours, which names the picture and the remedy."""
    if short_of_memory(error):
        if isinstance(error, RestorekitError) and "not enough memory" in str(error):
            return error
        return ImageError(
            f"{job.source}: not enough memory; close other programs, or make the picture smaller first"
        )
    if isinstance(error, RestorekitError):
        return error
    if isinstance(error, OSError):
        return ImageError(f"{job.source}: {error.strerror or error}; check the disk and its permissions")
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    said = " ".join(str(error).split())
    return RestorekitError(
        f"{job.source}: {type(error).__name__}: {said}{place}; this is a fault in the program, please report it"
    )
