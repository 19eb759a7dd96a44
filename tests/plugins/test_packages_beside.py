"""Packages of their own under plugins/: what the root wheel does not hold keeps the laws of plugins too."""

import importlib
import tomllib
from pathlib import Path

import pytest

from restorekit.model.basis import KEY
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.testing import check_degradation

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))


@pytest.fixture(params=PACKAGES, ids=lambda folder: folder.name)
def package(request, monkeypatch):
    monkeypatch.syspath_prepend(str(request.param))
    return request.param, importlib.import_module(request.param.name.replace("-", "_"))


def test_there_are_three_packages_and_the_root_wheel_holds_none_of_them():
    assert [folder.name for folder in PACKAGES] == ["restorekit-dehaze", "restorekit-lowlight", "restorekit-shake"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not any("-" in name for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_its_degradations_keep_the_laws(package):
    for degradation in package[1].register_degradations():
        check_degradation(degradation).require()


def test_its_basis_is_whole_and_for_the_model_that_ships(package):
    model = build_catalog(load_plugins()).model
    for basis in package[1].register_bases():
        basis.check()
        assert basis.backbone_sha256 == model.backbone.sha256
        if (basis.folder / KEY).exists():
            assert basis.encoder_sha256 == model.encoder_sha256


def test_its_project_names_its_module_licence_and_entry_point(package):
    folder, module = package
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license"] and (folder / "README.md").is_file() and (folder / "LICENSE").is_file()
    assert list(project["entry-points"]["restorekit"].values()) == [module.__name__]
