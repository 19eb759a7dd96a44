"""Laws of what travels: photographs in a pack, results in pieces."""

import configparser
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from restorekit.cli.train import app as train
from restorekit.errors import TrainingError
from restorekit.image import read_image
from restorekit.training import pieces
from restorekit.training.checks import check_machine, check_pack, check_plugins
from restorekit.training.packing import MANIFEST, PHOTOS, pack, read_pack
from restorekit.training.photos import Photos
from restorekit.training.pieces import INDEX, join_pieces, size_in, write_pieces
from restorekit.training.runs import RECIPES, make_recipe, read_run
from tests.training.recipes import CATALOG

ROOT = Path(__file__).parents[2]
ROOMY = 1 << 24


def bytes_in(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("format", ["avif", "jpg"])
def test_packed_photographs_look_as_they_did_and_the_same_ones_are_held_out(folder, tmp_path, format):
    made = pack([folder], tmp_path / "pack", ROOMY, format=format)
    assert made == read_pack(tmp_path / "pack") and made.reduced == 0
    assert {Path(photo.name).suffix for photo in made.photographs} == {f".{format}"}
    before, after = Photos.load([folder]), Photos.load([tmp_path / "pack" / PHOTOS])
    for kind in ("training", "validation", "calibration"):
        for one, other in zip(getattr(before, kind), getattr(after, kind), strict=True):
            assert one.shape == other.shape
            assert (one.float() - other.float()).square().mean().sqrt() < 255 * 10 ** (-36 / 20)
    assert bytes_in(tmp_path / "pack") < bytes_in(folder)


def test_colours_travel_in_full_resolution(tmp_path):
    from PIL import Image

    stripes = torch.zeros(64, 64, 3, dtype=torch.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 200, 200  # red and blue by turns: halved colours would be one
    Image.fromarray(stripes.numpy()).save(tmp_path / "stripes.bmp")
    for format in ("avif", "jpg"):
        made = pack([tmp_path], tmp_path / format / "pack", ROOMY, format=format)
        rgb = read_image(tmp_path / format / "pack" / PHOTOS / made.photographs[0].name).rgb
        assert (rgb[0, 0, :, ::2] - rgb[0, 0, :, 1::2]).mean() > 0.6
        (tmp_path / format / "pack" / PHOTOS / made.photographs[0].name).unlink()


def test_a_pack_stays_below_its_size_and_tells_what_was_reduced(folder, tmp_path):
    most = bytes_in(pack([folder], tmp_path / "large", ROOMY).folder) * 2 // 3
    made = pack([folder], tmp_path / "small", most)
    assert most // 2 < bytes_in(made.folder) <= most
    assert made.reduced == 18 and made.side < 210
    assert all(photo.full == (200, 210) and max(photo.size) <= made.side for photo in made.photographs)
    sides = read_image(tmp_path / "small" / PHOTOS / made.photographs[3].name).rgb.shape[2:]
    assert tuple(sides) == made.photographs[3].size
    with pytest.raises(TrainingError, match="--most"):
        pack([folder], tmp_path / "none", 9000)


def test_a_file_that_is_smaller_as_it_is_travels_as_it_is(folder, tmp_path):
    coarse = pack([folder], tmp_path / "coarse", ROOMY, quality=20, format="jpg", limit=2)
    again = pack([tmp_path / "coarse"], tmp_path / "again", ROOMY, format="jpg")
    assert [p.sha256 for p in again.photographs] == [p.sha256 for p in coarse.photographs]
    shrunk = pack([tmp_path / "coarse"], tmp_path / "shrunk", ROOMY, format="jpg", side=100)
    assert [max(p.size) for p in shrunk.photographs] == [100, 100]


def test_a_pack_brings_the_plugins_of_the_tree_to_a_path(folder, tmp_path):
    made = pack([folder], tmp_path / "pack", ROOMY, limit=1)
    table = configparser.ConfigParser(delimiters=("=",))
    table.read(next(made.folder.glob("restorekit-*.dist-info")) / "entry_points.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert dict(table["restorekit"]) == project["entry-points"]["restorekit"]


def test_a_pack_that_changed_on_the_way_is_refused(folder, tmp_path):
    made = pack([folder], tmp_path / "pack", ROOMY, limit=3)
    path = made.folder / PHOTOS / made.photographs[1].name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(TrainingError, match=f"{path.name} is not as it was packed"):
        read_pack(made.folder)
    path.unlink()
    with pytest.raises(TrainingError, match=f"differ by {path.name}"):
        read_pack(made.folder)
    path.write_bytes(data)
    (made.folder / PHOTOS / "more.jpg").write_bytes(data)
    with pytest.raises(TrainingError, match=r"differ by more\.jpg"):
        read_pack(made.folder)
    (made.folder / MANIFEST).write_text("[]")
    with pytest.raises(TrainingError, match="no list of packed photographs"):
        read_pack(made.folder)
    with pytest.raises(TrainingError, match="restorekit train pack"):
        read_pack(folder)
    with pytest.raises(TrainingError, match="not empty"):
        pack([folder], made.folder, ROOMY)


def test_a_burst_is_refused_early_where_something_is_missing(folder, tmp_path, monkeypatch):
    made, told = pack([folder], tmp_path / "pack", ROOMY, limit=9), []
    check_machine(made, torch.device("cpu"), tmp_path / "a" / "b", told.append)
    check_pack(made, 96, told.append)
    check_plugins(CATALOG, told.append)
    assert any("memory" in line and "GiB free" in line for line in told)
    assert any("9 photographs, 0.4 MP" in line for line in told)
    with pytest.raises(TrainingError, match="larger --side"):
        check_pack(made, 201, told.append)
    with pytest.raises(TrainingError, match="pack more than 8"):
        check_pack(replace(made, photographs=made.photographs[:8]), 96, told.append)
    with pytest.raises(TrainingError, match="PYTHONPATH"):
        check_plugins(replace(CATALOG, degradations={}), told.append)
    (made.folder / PHOTOS / made.photographs[0].name).write_bytes(b"no photograph")
    with pytest.raises(TrainingError, match="pack again with --format jpg"):
        check_pack(made, 96, told.append)
    monkeypatch.setattr("restorekit.training.checks.free_memory", lambda: 1 << 20)
    with pytest.raises(TrainingError, match=r"memory: 0\.00 GiB free, 1\.00 wanted"):
        check_machine(made, torch.device("cpu"), tmp_path, told.append)


@pytest.fixture
def results(tmp_path):
    """A folder of results."""
    folder = tmp_path / "results"
    (folder / "weights" / "noise").mkdir(parents=True)
    (folder / "weights" / "noise" / "tensors").write_bytes(bytes(range(256)) * 40)
    (folder / "log.csv").write_text("iteration\n1\n")
    return folder


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_pieces_are_small_and_joined_they_are_what_was_cut(results, tmp_path):
    cut = write_pieces(results, tmp_path / "out", 1000)
    assert len(cut) > 10 and all((tmp_path / "out" / piece.name).stat().st_size <= 1000 for piece in cut)
    result = CliRunner().invoke(train, ["join", str(tmp_path / "out"), "-o", str(tmp_path / "joined")])
    assert result.exit_code == 0 and "2 files" in result.output
    assert contents(tmp_path / "joined") == contents(results)
    with pytest.raises(TrainingError, match="not empty"):
        join_pieces(tmp_path / "out", tmp_path / "joined")
    (results / "log.csv").write_text("iteration\n2\n")
    fewer = write_pieces(results, tmp_path / "out", 5000)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {INDEX, *(piece.name for piece in fewer)}


def test_a_writer_that_is_killed_anywhere_leaves_an_archive_that_can_be_joined(results, tmp_path, monkeypatch):
    before = contents(results)
    write_pieces(results, tmp_path / "out", 4000)
    (results / "log.csv").write_text("iteration\n2\n")
    after, replaced = contents(results), pieces.os.replace
    for steps in range(9):
        left = [steps]

        def killed(source, target, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            replaced(source, target)

        monkeypatch.setattr(pieces.os, "replace", killed)
        finished = True
        try:
            write_pieces(results, tmp_path / "out", 4000)
        except KeyboardInterrupt:
            finished = False
        monkeypatch.undo()
        join_pieces(tmp_path / "out", tmp_path / f"joined{steps}")
        assert contents(tmp_path / f"joined{steps}") == (after if finished else before)
    assert finished


def test_a_piece_that_is_missing_or_changed_is_named_and_nothing_is_written(results, tmp_path):
    piece = write_pieces(results, tmp_path / "out", 4000)[1]
    path = tmp_path / "out" / piece.name
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(TrainingError, match=f"{piece.name} is not as it was written"):
        join_pieces(tmp_path / "out", tmp_path / "joined")
    path.unlink()
    with pytest.raises(TrainingError, match=f"{piece.name} cannot be read"):
        join_pieces(tmp_path / "out", tmp_path / "joined")
    path.write_bytes(data)
    index = json.loads((tmp_path / "out" / INDEX).read_text())
    (tmp_path / "out" / INDEX).write_text(json.dumps({**index, "pieces": index["pieces"][:1]}))
    with pytest.raises(TrainingError, match="not one archive"):
        join_pieces(tmp_path / "out", tmp_path / "joined")
    for text in ("", "[]", "{}"):
        (tmp_path / "out" / INDEX).write_text(text)
        with pytest.raises(TrainingError, match="not an index"):
            join_pieces(tmp_path / "out", tmp_path / "joined")
    (tmp_path / "out" / INDEX).unlink()
    with pytest.raises(TrainingError, match=f"has no {INDEX}"):
        join_pieces(tmp_path / "out", tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_sizes_are_read_with_their_units():
    assert [size_in(t, "--most") for t in ("14MiB", "8 KiB", "1.5GiB", "9B")] == [14 << 20, 8192, 3 << 29, 9]
    for text in ("14", "14MB", "-1MiB", "0B", "MiB", "", "nanMiB", "infGiB"):
        with pytest.raises(TrainingError, match="--most must be a size with its unit"):
            size_in(text, "--most")


def test_the_recipes_of_shipped_weights_are_runs_that_train_what_they_lie_beside(monkeypatch):
    monkeypatch.chdir(ROOT)
    folders = {path.parent for path in (ROOT / "weights").glob("*/config.json")}
    folders |= {path.parent for path in (ROOT / "weights").glob("*/basis.json")}
    for folder in folders:
        settings, given = read_run(folder / "recipe.toml", [])
        recipe = make_recipe(settings, given)
        whole = ("backbone", *recipe.names) if settings.training == "backbone" else (settings.training,)
        assert folder.name in (getattr(recipe, "only", ()) or whole)
        assert settings.minutes or settings.deadline


def test_the_recipes_of_the_burst_plan_are_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    paths = sorted((ROOT / "weights" / "recipes").glob("*.toml"))
    assert {path.stem for path in paths} >= {"noise", "base"}
    for path in paths:
        settings, given = read_run(path, [])
        recipe = make_recipe(settings, given)
        assert isinstance(recipe, RECIPES[settings.training]) and settings.deadline in ("9m", "3m")
        assert recipe.groups == 8 and recipe.groups * recipe.group_size * recipe.patch**2 >= 2**20
        if settings.training == "backbone":
            assert 0 < sum(share for _, share in recipe.sets) <= 1
    recipe = make_recipe(*read_run(ROOT / "weights" / "recipes" / "noise.toml", []))
    assert recipe.only == ("noise",) and dict(zip(recipe.names, recipe.ranks, strict=True))["noise"] == 64
