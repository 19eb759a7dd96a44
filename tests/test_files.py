"""Laws of paths: an output is there whole or not at all, and nothing is replaced unasked."""

import errno
import os
from pathlib import Path

import pytest
import torch

from restorekit import files
from restorekit.atomic import sweep
from restorekit.errors import ImageError
from restorekit.image import list_images, read_image, write_image

RGB = torch.randint(0, 256, (1, 3, 9, 13), generator=torch.Generator().manual_seed(0)) / 255


def test_an_existing_file_is_replaced_only_when_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    for _ in range(2):  # the second time as if it had appeared after the check
        with pytest.raises(ImageError, match="exists; pass --overwrite"):
            write_image(path, RGB)
        monkeypatch.setattr("restorekit.image.writing.check_output", lambda path, overwrite: None)
    assert path.read_bytes() == b"precious"
    write_image(path, RGB, overwrite=True)
    assert torch.equal(read_image(path).rgb, RGB) and list(tmp_path.iterdir()) == [path]


def test_without_hard_links_a_file_is_still_new_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    files.write_atomically(tmp_path / "a.png", b"new", overwrite=False)
    with pytest.raises(ImageError, match="exists"):
        files.write_atomically(tmp_path / "a.png", b"newer", overwrite=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    if overwrite:
        (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(ImageError, match="No space left on device; free some space"):
        write_image(tmp_path / "a.png", RGB, overwrite=overwrite)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([b"old"] if overwrite else [])


def test_paths_that_cannot_be_written_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.png").mkdir()
    for name, message in [("a.gif", r"\.gif; use one of .*\.png"), ("a", "without extension"),
                          ("no/a.png", "create it"), ("folder.png", "is a folder")]:  # fmt: skip
        with pytest.raises(ImageError, match=message):
            write_image(tmp_path / name, RGB)
    with pytest.raises(ImageError, match=r"cannot encode .* choose another format"):
        write_image(tmp_path / "long.webp", torch.zeros(1, 3, 1, 20_000))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ImageError, match="read-only"):
        write_image(tmp_path / "a.png", RGB)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and links")
def test_a_new_file_obeys_the_umask_and_a_link_stays_a_link(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", RGB)
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "link.png").symlink_to("a.png")
    write_image(tmp_path / "link.png", RGB.flip(3), overwrite=True)
    assert (tmp_path / "link.png").is_symlink()
    assert torch.equal(read_image(tmp_path / "a.png").rgb, RGB.flip(3))


def test_a_folder_lists_its_images_in_order(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", ".hidden.png", "notes.txt", "sub/c.webp", ".trash/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG"]
    assert [path.name for path in list_images(tmp_path, recursive=True)] == ["a.jpg", "b.PNG", "c.webp"]
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match=r"no images in .*\.tiff"):
        list_images(tmp_path / "none")
    with pytest.raises(ImageError, match="is not a folder"):
        list_images(tmp_path / "a.jpg")


def test_what_a_killed_writer_left_is_swept_and_what_another_writes_is_not(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    left, busy, other = (tmp_path / n for n in (".restorekit-0.tmp", ".restorekit-1.tmp", "mine.tmp"))
    for path in (left, busy, other):
        path.write_bytes(b"half")
    with busy.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep(tmp_path)
    assert not left.exists() and busy.exists() and other.exists()
