"""Lend torch, and all that it needs, to another virtual environment: `lend.py PYTHON`.

Links in its site-packages stand for this environment's: a second copy of gigabytes says nothing about a wheel. All
else is installed there as its users install it.
"""

import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def needed(requirement: str, found: dict[str, Distribution]) -> None:
    """Collect a distribution and those that it needs here, by its name and the extras that were asked of it."""
    name, extras = re.match(r"([\w.-]+)(?:\[([\w,. -]*)\])?", requirement).groups()
    key = f"{re.sub(r'[-_.]+', '-', name).lower()}[{extras or ''}]"
    if key in found:
        return
    try:
        found[key] = distribution(name)
    except PackageNotFoundError:  # of another platform
        return
    asked = set(re.split(r"[, ]+", extras or ""))
    for further in found[key].requires or ():
        of_extra = re.search(r"extra == [\"']([\w-]+)", further)
        if of_extra is None or of_extra[1] in asked:
            needed(further, found)


def main(python: str) -> None:
    """Link them. python: the interpreter of the other environment."""
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    place = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    found: dict[str, Distribution] = {}
    needed("torch", found)
    for one in found.values():
        for name in {path.parts[0] for path in one.files or () if path.parts[0] not in ("..", "__pycache__")}:
            if not (place / name).exists():
                (place / name).symlink_to(one.locate_file(name))
    print("lent:", *sorted(found))


if __name__ == "__main__":
    main(sys.argv[1])
