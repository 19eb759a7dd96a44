"""Print pins of all dependencies at the lower bounds that pyproject.toml names, for pip.

Left out: torch, whose old wheels take gigabytes, so that the one that is there is kept; `export`, which goes with
torch; the tools of `dev`, whose rules change from one release to the next; `bench`, `perceptual` and `peers`,
other people's restorers and scores, which nothing but the benchmark needs.
"""

import re
import tomllib
from pathlib import Path

EXTRAS = ("train", "hdr", "heic", "ray", "serve", "test")
KEPT = ("torch",)
REQUIREMENT = re.compile(r"([\w.-]+)(\[[\w,]+\])?>=([\w.]+)")


def main() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    pins: dict[str, str] = {}
    for requirement in (r for group in groups for r in group if not r.startswith("restorekit[")):
        found = REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise SystemExit(f"{requirement!r} names no lower bound; write NAME>=VERSION")
        name, extra, version = found[1], found[2] or "", found[3]
        if pins.setdefault(name, f"{name}{extra}=={version}") != f"{name}{extra}=={version}":
            raise SystemExit(f"{name} has two lower bounds; name one")
    print(*(pin for name, pin in pins.items() if name not in KEPT))


if __name__ == "__main__":
    main()
