"""Laws of `restorekit new-plugin`: a package that can be published as it is, of names that nobody has."""

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

import restorekit
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.template import FILES, SOURCE
from restorekit.signed import write_unless_edited
from tests.plugin.strangers import Entry, fog_basis
from tests.test_plain_english import offences


@pytest.fixture
def package(cli, tmp_path) -> Path:
    """A package as the command writes it."""
    assert cli("new-plugin", "old-varnish", "--author", 'A "B" \\ C').code == 0
    return tmp_path / "restorekit-old-varnish"


def written(package: Path) -> set[str]:
    return {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}


def test_every_file_of_the_template_is_written_and_no_word_is_left_open(package):
    assert {path.name for path in SOURCE.iterdir()} == {f"{name}.in" for name in FILES}
    assert written(package) == {target.format(package="restorekit_old_varnish") for target in FILES.values()}
    for path in package.rglob("*.*"):
        assert path.is_dir() or "$" not in path.read_text(), path


def test_its_project_file_says_all_that_an_index_asks(package):
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == "restorekit-old-varnish"
    assert project["entry-points"]["restorekit"] == {"old-varnish": "restorekit_old_varnish"}
    assert project["dependencies"] == [f"restorekit>={restorekit.__version__}"]
    assert project["authors"] == [{"name": 'A "B" \\ C'}] and 'A "B" \\ C' in (package / "LICENSE").read_text()
    assert (package / project["readme"]).is_file() and "pytest" in project["optional-dependencies"]["test"][0]


def test_its_card_opens_with_what_a_hub_reads_and_gives_way_to_a_measured_one(package):
    path = package / "restorekit_old_varnish" / "weights" / "README.md"
    front = re.match(r"---\n(.*?)\n---\n\n# ", path.read_text(), re.DOTALL)[1]
    keys = {line.partition(":")[0] for line in front.splitlines()}
    assert write_unless_edited(path, "measured\n") == path  # as training does
    assert keys == {"license", "library_name", "pipeline_tag", "tags", "datasets", "metrics"}


@pytest.fixture
def made(package, monkeypatch):
    """Its module, imported for one test."""
    monkeypatch.syspath_prepend(package)
    yield importlib.import_module("restorekit_old_varnish")
    for name in [name for name in sys.modules if name.startswith("restorekit_old_varnish")]:
        del sys.modules[name]


def test_the_basis_is_registered_once_there_are_weights(made, weights_folder):
    def bases() -> list[str]:
        catalog = build_catalog(load_plugins([Entry("old-varnish", made, "restorekit-old-varnish")]))
        assert catalog.failures == () and list(catalog.degradations) == ["old-varnish"]
        return [*(name for _, name in catalog.registered), *(stray.basis for stray in catalog.strays)]

    assert bases() == []
    (made.WEIGHTS / "README.md").unlink()
    made.WEIGHTS.rmdir()
    fog_basis(weights_folder, made.WEIGHTS)
    assert bases() == ["old-varnish"]


def test_its_wheel_holds_the_weights_even_where_git_ignores_them(package, weights_folder):
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="the extra `test` brings hatchling")
    weights = package / "restorekit_old_varnish" / "weights"
    (weights / "adapter_model.safetensors").write_bytes(b"weights")
    (weights / "basis.json").write_text("{}")
    (package / ".gitignore").write_text("*.safetensors\nweights/\n")
    (package / ".git").mkdir()
    [built] = wheel.WheelBuilder(str(package)).build(directory=str(package / "dist"))
    held = {name.removeprefix("restorekit_old_varnish/") for name in ZipFile(built).namelist()}
    assert {"weights/adapter_model.safetensors", "weights/basis.json", "weights/README.md"} < held
    assert {"__init__.py", "degradation.py"} < held and not any("test" in name for name in held)


def test_what_it_writes_passes_the_linter(package):
    pytest.importorskip("ruff", reason="the extra `dev` brings ruff")
    rules = ("--select", "E,F,I,UP,B,SIM,RUF,TID", "--line-length", "115", "--no-cache")
    for command in (("check", *rules), ("format", "--check", "--line-length", "115", "--no-cache")):
        ruff = [sys.executable, "-m", "ruff", *command]
        done = subprocess.run(ruff, cwd=package, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_texts_begin_with_a_verb_or_with_the_thing(package):
    assert [offence for path in package.rglob("*.py") for offence in offences(path)] == []


REFUSED = {
    "a first-party plugin": (["denoise"], "brings a plugin 'denoise' already; choose another NAME"),
    "a plugin that is blocked": (["derain"], "brings a plugin 'derain' already"),
    "a first-party degradation": (["rime", "--degradation", "noise"], "'noise' already; choose another name"),
    "a first-party basis": (["detail2", "--degradation", "detail"], "a basis 'detail' already"),
    "a package": (["flow_unet"], "a package restorekit_flow_unet is installed already"),
    "the word for all plugins": (["all"], "cannot be called 'all'"),
    "a capital": (["Fog"], "small letters"),
    "a leading digit": (["3d"], "small letters"),
    "a path": (["../fog"], "small letters"),
    "two hyphens": (["a--b"], "small letters"),
    "nothing": ([""], "small letters"),
    "a degradation with a colon": (["fog", "--degradation", "fog:thick"], "small letters"),
    "an author of two lines": (["fog", "--author", "A\nB"], "cannot be printed"),
    "a parent that is not there": (["fog", "--directory", "no/fog"], "create it first"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_a_name_that_is_taken_or_is_none_is_refused_and_nothing_is_written(
    cli, arguments, said, tmp_path, monkeypatch
):
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "derain")
    before = set(tmp_path.iterdir())
    outcome = cli("new-plugin", *arguments)
    assert outcome.is_one_error() and said in outcome.err
    assert set(tmp_path.iterdir()) == before


def test_nothing_that_exists_is_written_over(cli, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "restorekit-fog").write_text("a file")
    for arguments in (["fog", "--directory", "mine"], ["fog"]):
        outcome = cli("new-plugin", *arguments)
        assert outcome.is_one_error() and "exists already; remove it" in outcome.err
    assert not any((tmp_path / "mine").iterdir()) and (tmp_path / "restorekit-fog").read_text() == "a file"


def test_a_disk_that_fills_leaves_no_half_of_a_package(cli, tmp_path, monkeypatch):
    write = Path.write_text

    def full(path, *arguments, **options):
        if path.name == "degradation.py":
            raise OSError(28, "No space left on device")
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    outcome = cli("new-plugin", "fog")
    assert outcome.is_one_error() and "No space left" in outcome.err
    assert not (tmp_path / "restorekit-fog").exists()


def test_a_program_is_told_the_names_the_files_and_the_steps(cli, tmp_path):
    record = json.loads(cli("new-plugin", "restorekit-film", "--degradation", "scratches", "--json").out)
    assert (record["plugin"], record["degradation"]) == ("film", "scratches")
    assert (record["distribution"], record["package"]) == ("restorekit-film", "restorekit_film")
    assert set(record["files"]) == written(tmp_path / record["folder"])
    assert "--check film" in " ".join(record["next"]) and "--with scratches=" in " ".join(record["next"])
    told = cli("new-plugin", "restorekit-film", "--directory", "again").out
    assert all(text in told for text in record["files"]) and "restorekit plugins --check film" in told
