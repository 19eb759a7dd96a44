"""A plugin's package, ready to publish: files with names put in.

`files/` holds them as they are written, but for the words behind `$`, and with `.in` behind their names.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from string import Template

from restorekit import __version__
from restorekit.errors import PluginError
from restorekit.plugin.catalog import build_catalog
from restorekit.plugin.installed import ALL, Plugins
from restorekit.signed import signed

__all__ = ["NewPlugin", "write_package"]

SOURCE = Path(__file__).parent / "files"
PREFIX = "restorekit"  # of the names of packages
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
CARD = "card.md"
FILES = {  # where each is written, in the order in which an author reads them
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "license": "LICENSE",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/test.yml",
    "init.py": "{package}/__init__.py",
    "degradation.py": "{package}/degradation.py",
    CARD: "{package}/weights/README.md",
    "test_plugin.py": "tests/test_plugin.py",
}


@dataclass(frozen=True)
class NewPlugin:
    """Names of a plugin that is to be.

    name: of the plugin, as in RESTOREKIT_BLOCK_PLUGINS.
    degradation: of the degradation and of its basis, as users type it.
    author: who holds the copyright; empty for the authors of the package.
    """

    name: str
    degradation: str
    author: str = ""

    @property
    def distribution(self) -> str:
        """Name of the package for pip."""
        return f"{PREFIX}-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """Name of the package for Python."""
        return f"{PREFIX}_{self.name.replace('-', '_')}"

    def words(self) -> dict[str, str]:
        """Words that are put into the files."""
        author = self.author or f"the authors of {self.distribution}"
        return {
            "plugin": self.name,
            "degradation": self.degradation,
            "distribution": self.distribution,
            "package": self.package,
            "type": "".join(part.capitalize() for part in re.split("[-_]", self.name)) + "Degradation",
            "author": author,
            "quoted_author": json.dumps(author, ensure_ascii=False),
            "year": str(date.today().year),
            "version": __version__,
        }

    def faults(self, plugins: Plugins) -> Iterator[str]:
        """Yield what is wrong with the names, with the remedy.

        plugins: those that are installed, whose names are taken.
        """
        words = "use small letters a to z, digits and single hyphens, a letter first, such as old-varnish"
        if self.name == ALL:
            yield f"a plugin cannot be called {self.name!r}: the word names every plugin; choose another NAME"
        if not NAME.fullmatch(self.name):
            yield f"a plugin cannot be called {self.name!r}; {words}"
        if not NAME.fullmatch(self.degradation):
            yield f"a degradation cannot be called {self.degradation!r}; {words}"
        if not self.author.isprintable():
            yield f"the author {self.author!r} has a character that cannot be printed; leave it out"
        others = {info.name: f"the package {info.distribution}" for info in plugins.loaded}
        others |= dict.fromkeys(plugins.blocked, "a package that is blocked")
        if self.name in others:
            yield f"{others[self.name]} brings a plugin {self.name!r} already; choose another NAME"
        elif find_spec(self.package) is not None:
            yield f"a package {self.package} is installed already; uninstall it, or choose another NAME"
        catalog = build_catalog(plugins)
        bases = {basis: catalog.owners[f"basis {model}/{basis}"] for model, basis in catalog.registered}
        for kind, owner in (
            ("degradation", catalog.owners.get(f"degradation {self.degradation}")),
            ("basis", bases.get(self.degradation)),
        ):
            if owner:
                yield (
                    f"the plugin {owner} brings a {kind} {self.degradation!r} already; choose another name "
                    f"by --degradation"
                )
                return


def write_package(plugin: NewPlugin, folder: Path, plugins: Plugins) -> tuple[Path, ...]:
    """Write the package of a new plugin.

    plugin: its names.
    folder: where it is written; there must be nothing of that name yet.
    plugins: those that are installed, whose names are taken.
    Returns the files, relative to the folder. PluginError for a name that is taken or is none, or a folder that is
    there.
    """
    if fault := next(plugin.faults(plugins), ""):
        raise PluginError(fault)
    words = plugin.words()
    texts = {Path(target.format_map(words)): text_of(source, words) for source, target in FILES.items()}
    try:
        folder.mkdir()
    except FileExistsError:
        raise PluginError(f"{folder} exists already; remove it, or choose another by --directory") from None
    except FileNotFoundError:
        raise PluginError(f"there is no folder {folder.parent} for {folder.name}; create it first") from None
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8", newline="\n")
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)  # it was made here: there is nothing else in it
        raise
    return tuple(texts)


def text_of(source: str, words: Mapping[str, str]) -> str:
    """Text of one file of the template. The card is signed, so that training replaces it. words: put in."""
    text = Template((SOURCE / f"{source}.in").read_text("utf-8")).substitute(words)
    return signed(text, ".md") if source == CARD else text
