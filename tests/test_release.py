"""Laws of a release: one version everywhere, and files that packages and citations need."""

import re
import tomllib
from pathlib import Path

import restorekit

ROOT = Path(__file__).resolve().parent.parent


def test_the_version_is_written_once_and_the_citation_and_the_changelog_have_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"] and "version" not in project["project"]
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert citation and newest and citation[1] == newest[1] == restorekit.__version__


def test_the_source_package_holds_everything_that_the_wheel_is_made_of():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    included = set(build["sdist"]["include"])
    for path in (*build["wheel"]["packages"], *build["wheel"]["force-include"]):
        assert Path(path).parts[0] in included and (ROOT / path).exists(), path
    assert (ROOT / "restorekit" / "py.typed").is_file()
