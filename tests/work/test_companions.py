"""Laws of files beside a picture: one name for one picture, a folder for several, nothing replaced unasked."""

from pathlib import Path

import pytest

from restorekit.errors import ImageError
from restorekit.work.companions import Companions
from restorekit.work.jobs import STREAM, Job


def made(out, inputs, overwrite=False):
    return Companions.of("--map", str(out), [str(i) for i in inputs], ".map.png", overwrite=overwrite)


def test_one_picture_has_the_file_that_is_named(tmp_path, photo):
    path = photo("a.png")
    assert made(tmp_path / "x.png", [path]).place(Job(path)) == tmp_path / "x.png"


@pytest.mark.parametrize("out", ["maps", "maps/"])
def test_several_pictures_have_a_folder_that_mirrors_their_tree(tmp_path, photo, out):
    photo("in/sub/a.jpg"), photo("in/sub/a.png")
    places = made(f"{tmp_path}/{out}", [tmp_path / "in"])
    jobs = [Job(tmp_path / "in/sub" / name, below=tmp_path / "in") for name in ("a.jpg", "a.png")]
    found = [places.place(job) for job in jobs]
    assert found == [tmp_path / "maps/sub" / name for name in ("a.jpg.map.png", "a.png.map.png")]


def test_standard_input_has_a_name_in_a_folder(tmp_path):
    assert made(f"{tmp_path}/", ["-"]).place(Job(STREAM)).name == "standard-input.map.png"


@pytest.mark.parametrize(
    ("out", "inputs"), [("x.png", ["a.png", "b.png"]), ("x.jpg", ["a.png"]), ("x", ["a.png"])]
)
def test_a_name_that_cannot_be_meant_is_refused_with_the_remedy(tmp_path, monkeypatch, photo, out, inputs):
    monkeypatch.chdir(tmp_path)
    photo("a.png"), photo("b.png")
    with pytest.raises(ImageError, match=r"--map .* name a f"):
        made(out, inputs)


def test_a_file_that_exists_is_replaced_only_when_that_is_asked_for(tmp_path, photo):
    path, out = photo("a.png"), Path(tmp_path / "x.png")
    out.write_bytes(b"old")
    for refuse in (lambda c: c.check(Job(path)), lambda c: c.write(Job(path), b"new")):
        with pytest.raises(ImageError, match="--overwrite"):
            refuse(made(out, [path]))
    assert out.read_bytes() == b"old"
    made(out, [path], overwrite=True).write(Job(path), b"new")
    assert out.read_bytes() == b"new"
