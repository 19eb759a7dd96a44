"""Jobs: from the names that a person gives to pairs (input, output).

A name is a file, a folder, a pattern, or "-" for standard input and output. Whatever can be known to fail is
known before a pixel is read, so that a command may say so before it imports anything heavy; the other jobs go
on. Only what makes the whole request meaningless is raised: two inputs for one output, or an input that would be
written over.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restorekit.atomic import Claim
from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_output, is_finished, list_images, look_through

__all__ = ["SEPARATORS", "STREAM", "Job", "expand", "in_words", "make_folder", "names_several",
           "passed_over", "plan", "take"]  # fmt: skip

MARK = ".restored"
STREAM = Path("-")  # standard input or output
SEPARATORS = tuple(s for s in (os.sep, os.altsep) if s)


@dataclass(frozen=True)
class Job:
    """One picture's way.

    output: None where nothing is written.
    problem: why it cannot be done, if so.
    below: the folder whose tree it was found in, which the outputs mirror.
    done: its output is there already.
    """

    source: Path
    output: Path | None = None
    problem: str = ""
    below: Path | None = None
    done: bool = False


def expand(arguments: Sequence[str], *, restored: bool = True, recursive: bool = False) -> tuple[Job, ...]:
    """The pictures that files, folders and patterns name, each once, in the order given.

    restored: take what restorekit wrote (NAME.restored.EXT) from folders and patterns too; a file that is named
        is always taken.
    recursive: take folders with all that is below them.
    """
    jobs: dict[str, Job] = {}
    for argument in arguments:
        if argument == str(STREAM) and len(arguments) > 1:
            raise ImageError("- is standard input, which is one picture; give it alone")
        for job in _expand_one(argument, restored, recursive):
            jobs.setdefault(os.path.abspath(job.source), job)
    return tuple(jobs.values())


def plan(
    arguments: Sequence[str],
    out: str | None = None,
    *,
    overwrite: bool = False,
    recursive: bool = False,
    skip_existing: bool = False,
) -> tuple[Job, ...]:
    """Make jobs with outputs.

    arguments: as in `expand`.
    out: a file for one input, else a folder; None is NAME.restored.EXT beside the input. A folder is meant where
        it ends in a slash or is one, and where the arguments may name several pictures.
    overwrite: let outputs exist.
    recursive: take folders with all that is below them, mirrored below out.
    skip_existing: mark jobs as done whose output is there and holds something.
    """
    jobs = expand(arguments, restored=False, recursive=recursive)
    if str(STREAM) in (out, *arguments):
        return (_stream_job(jobs, out, overwrite),)
    folder = None if out is None else _folder(out, len(jobs), names_several(arguments))
    if folder is not None and recursive:  # outputs of an earlier run are no inputs
        jobs = tuple(j for j in jobs if j.problem or folder.resolve() not in j.source.resolve().parents)
    planned = [job if job.problem else replace(job, output=_output(job, out, folder)) for job in jobs]
    _refuse_clashes(planned)
    return tuple(_checked(job, overwrite, skip_existing) for job in planned)


def passed_over(
    arguments: Sequence[str], out: str | None = None, *, restored: bool = True, recursive: bool = False
) -> tuple[Path, ...]:
    """Files and folders that folders and patterns name and that are not taken, sorted.

    The arguments are those of `expand` and `plan`; the folder that out names is not counted.
    """
    found: set[Path] = set()
    for argument in arguments:
        path = Path(argument)
        try:
            if path.is_dir():
                contents = look_through(path, recursive=recursive)
                found.update(contents.others)
                candidates = contents.images
            elif not os.path.lexists(path) and _is_pattern(argument):
                matches = [Path(m) for m in glob.glob(argument, recursive=True)]
                found.update(m for m in matches if m.is_file() and m.suffix.lower() not in FORMATS)
                candidates = tuple(m for m in matches if m.suffix.lower() in FORMATS and m.is_file())
            else:
                continue
        except (ImageError, OSError):  # `expand` tells of it
            continue
        found.update(p for p in candidates if not restored and p.stem.endswith(MARK))
    taken = {os.path.realpath(a) for a in arguments}
    place = None if out is None else os.path.realpath(out)
    below = () if place is None else (place, place + os.sep)
    return tuple(
        sorted(
            path
            for path in found
            if (real := os.path.realpath(path)) not in taken
            and not (below and (real == below[0] or real.startswith(below[1])))
        )
    )


def in_words(paths: Sequence[Path], most: int = 8) -> str:
    """Paths for a person: the first ones by name, the others by how many there are of each ending."""
    text = ", ".join(f"{path}{os.sep if path.is_dir() else ''}" for path in paths[:most])
    if len(paths) <= most:
        return text
    rest = Counter(path.suffix.lower() or "no ending" for path in paths[most:])
    return f"{text}, and {len(paths) - most} more ({', '.join(f'{n} {e}' for e, n in rest.most_common())})"


def take(job: Job) -> Claim | None:
    """Claim a job's output for a run that passes over what is there: None where it is finished, or where another
    run is at it. An empty output, which a killed run may have left, is removed."""
    assert job.output is not None
    make_folder(job.output)
    try:
        claim = Claim.on(job.output)
        if claim is None:
            return None
        if is_finished(job.output):
            claim.release()
            return None
        if job.output.is_file():
            job.output.unlink()
    except OSError as error:
        raise ImageError(f"cannot write {job.output}: {error.strerror}; choose another -o") from error
    return claim


def names_several(arguments: Sequence[str]) -> bool:
    """Tell whether arguments may name more than one picture, however many they name today."""
    return len(arguments) > 1 or any(
        not os.path.isfile(a) and (os.path.isdir(a) or _is_pattern(a)) for a in arguments
    )


def make_folder(path: Path) -> None:
    """Create the folder that path is to be written into, with its parents."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot create {path.parent}: {error.strerror}; choose another -o") from error


def _stream_job(jobs: Sequence[Job], out: str | None, overwrite: bool) -> Job:
    """The one job that reads standard input or writes standard output."""
    if len(jobs) != 1:
        raise ImageError(f"-o - is standard output, which is one picture, not {len(jobs)}; name a folder")
    job = jobs[0]
    if job.problem or out is None or out == str(STREAM):
        return replace(job, output=STREAM)
    if out.endswith(SEPARATORS) or os.path.isdir(out):
        raise ImageError(f"what comes from standard input has no name to have in {out}; give -o a file or -")
    return _checked(replace(job, output=Path(out)), overwrite, skip_existing=False)


def _expand_one(argument: str, restored: bool, recursive: bool) -> list[Job]:
    path = Path(argument)
    if argument == str(STREAM):
        return [Job(STREAM)]
    below = None
    if not argument:  # an unset shell variable, not the folder we are in
        return [Job(path, problem="an input has no name; name a file, a folder or a pattern")]
    try:
        if path.is_dir():
            found = list_images(path, recursive=recursive)
            below = path
        elif not os.path.lexists(path) and _is_pattern(argument):
            matches = sorted(Path(m) for m in glob.glob(argument, recursive=True))
            found = [m for m in matches if m.suffix.lower() in FORMATS and m.is_file()]
            if not found:
                raise ImageError(f"no image matches {argument}; check the pattern and the working folder")
        elif not path.exists():
            raise ImageError(f"{path} does not exist; check the spelling and the working folder")
        else:
            return [Job(path)]
    except ImageError as error:
        return [Job(path, problem=str(error))]
    except OSError as error:  # a name too long, a loop of links
        return [Job(path, problem=f"cannot read {path}: {error.strerror}; check the name")]
    kept = [p for p in found if restored or not p.stem.endswith(MARK)]
    if not kept:
        return [Job(path, problem=f"{argument} names nothing but restored images; name one to restore it again")]
    return [Job(p, below=below) for p in kept]


def _is_pattern(argument: str) -> bool:
    return glob.has_magic(argument)


def _folder(out: str, count: int, several: bool) -> Path | None:
    """The folder that out means, or None where it means a file."""
    path = Path(out)
    if out.endswith(SEPARATORS) or path.is_dir():
        return path
    if not several:
        return None
    if path.exists() or path.suffix.lower() in FORMATS:
        raise ImageError(f"-o {out} is one file, but there may be several images ({count}); name a folder")
    return path


def _output(job: Job, out: str | None, folder: Path | None) -> Path:
    source = job.source
    extension = source.suffix if source.suffix.lower() in FORMATS else ".png"  # PIL reads more than we write
    if folder is not None:
        place = source.relative_to(job.below).parent if job.below else Path()
        return folder / place / f"{source.stem}{extension}"
    if out is not None:
        return Path(out)
    return source.with_name(f"{source.stem}{MARK}{extension}")


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    sources = {os.path.realpath(job.source): job.source for job in jobs if not job.problem}
    writers: dict[str, Path] = {}
    for job in jobs:
        if job.output is None:
            continue
        place = os.path.realpath(job.output)
        if place == os.path.realpath(job.source):
            raise ImageError(f"{job.source} would be written over itself; choose another -o")
        if place in sources:
            raise ImageError(
                f"{job.source} would be written over {sources[place]}, an input too; choose another -o"
            )
        if place in writers:
            raise ImageError(
                f"{writers[place]} and {job.source} would both become {job.output}; "
                "give them one after the other, each with its own -o"
            )
        writers[place] = job.source


def _checked(job: Job, overwrite: bool, skip_existing: bool) -> Job:
    """The job, with the problem that writing its output would end with."""
    if job.output is None:
        return job
    if skip_existing and is_finished(job.output):
        return replace(job, done=True)
    try:
        _check(job.output, overwrite or (skip_existing and job.output.is_file()))
    except ImageError as error:
        return replace(job, problem=str(error))
    except OSError as error:
        return replace(job, problem=f"cannot write {job.output}: {error.strerror}; choose another -o")
    return job


def _check(output: Path, overwrite: bool) -> None:
    if not output.suffix:
        raise ImageError(
            f"cannot write {output}: a name without extension; add one such as .png, or a slash for a folder"
        )
    folder = output.parent
    if output.suffix.lower() not in FORMATS or folder.is_dir():
        check_output(output, overwrite=overwrite)
        return
    folder = folder.absolute()
    ancestor = next(p for p in (folder, *folder.parents) if p.exists())  # in which folders will be created
    if not ancestor.is_dir():
        raise ImageError(f"cannot create {folder}: {ancestor} is no folder; choose another -o")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise ImageError(f"cannot create {folder}: the folder {ancestor} is read-only; choose another -o")
