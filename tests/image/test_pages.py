"""Laws of TIFFs with several pages: each is a picture, and they stay together."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.errors import ImageError
from restorekit.image import Picture, formats, from_pil, read_image, read_pages, write_pages
from restorekit.image.pixels import samples
from restorekit.image.tiff import encode_page, join
from tests.image.made import GREY_PROFILE, ORIENTATION, SRGB, exif_block, noise, saved


def pages() -> list[tuple[torch.Tensor, Picture]]:
    """Of different size, kind and metadata."""
    first, second = from_pil(noise(13, 9)), from_pil(noise(5, 7, "L"))
    alpha = torch.arange(13 * 9, dtype=torch.uint8).view(9, 13)
    return [
        (first, Picture(first, alpha=alpha, icc_profile=SRGB, exif=exif_block().tobytes(), dpi=(300, 150))),
        (second, Picture(second, mode="grey", icc_profile=GREY_PROFILE)),
        (first.flip(3), Picture(first)),
    ]


def test_every_page_comes_back_with_what_is_its_own(tmp_path: Path) -> None:
    assert write_pages(tmp_path / "a.tif", pages()) == ()
    found = read_pages(tmp_path / "a.tif")
    assert [picture.mode for picture in found] == ["rgb", "grey", "rgb"]
    for (rgb, source), picture in zip(pages(), found, strict=True):
        assert torch.equal(picture.rgb, rgb)
        assert picture.icc_profile == source.icc_profile and picture.notes == ()
        assert (picture.exif is None) == (source.exif is None)
    assert found[0].alpha is not None and torch.equal(found[0].alpha, pages()[0][1].alpha)
    assert found[0].dpi == (300, 150) and found[2].dpi is None
    with Image.open(tmp_path / "a.tif") as image:
        assert image.n_frames == 3


def test_pages_of_any_depth_share_a_file(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    rgb = torch.rand(1, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    write_pages(tmp_path / "a.tif", [(rgb, Picture(rgb, depth=depth)) for depth in (8, 16, 32)])
    found = read_pages(tmp_path / "a.tif")
    assert [picture.depth for picture in found] == [8, 16, 32]
    for picture, step in zip(found, (255, 65_535, 2**24), strict=True):
        assert torch.allclose(picture.rgb, rgb, rtol=0, atol=0.51 / step)


def test_a_page_is_turned_by_its_own_orientation(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    values = samples(from_pil(noise()))
    made = [encode_page(values, exif, icc=None, xmp=b"", dpi=None, inks=False) for exif in (Image.Exif(), turned)]
    (tmp_path / "a.tif").write_bytes(join([*made, made[0]]))
    shapes = [tuple(picture.rgb.shape[2:]) for picture in read_pages(tmp_path / "a.tif")]
    assert shapes == [(9, 13), (13, 9), (9, 13)]


def test_other_files_are_of_one_page(tmp_path: Path) -> None:
    (picture,) = read_pages(saved(tmp_path / "a.png", noise()))
    assert torch.equal(picture.rgb, from_pil(noise()))
    saved(tmp_path / "b.webp", noise(), save_all=True, append_images=[Image.new("RGB", (13, 9))])
    with pytest.raises(ImageError, match="2 frames"):
        read_pages(tmp_path / "b.webp")


def test_pages_are_refused_where_they_would_be_lost(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", pages())
    with pytest.raises(ImageError, match="3 pages"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"not 3 pages; name a \.tif"):
        write_pages(tmp_path / "b.png", pages())
    assert not (tmp_path / "b.png").exists()


def test_small_copies_among_the_pages_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    small = Image.Exif()
    small[254] = 1
    values = samples(from_pil(noise()))
    made = [encode_page(values, exif, icc=None, xmp=b"", dpi=None, inks=False) for exif in (Image.Exif(), small)]
    (tmp_path / "a.tif").write_bytes(join(made))
    (picture,) = read_pages(tmp_path / "a.tif")
    assert "small copies" in picture.notes[0] and torch.equal(read_image(tmp_path / "a.tif").rgb, picture.rgb)


def test_directories_that_run_in_circles_end(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", pages()[2:])
    data = bytearray((tmp_path / "a.tif").read_bytes())
    count = int.from_bytes(data[8:10], "little")
    link = 10 + 12 * count
    assert data[link : link + 4] == bytes(4)
    data[link : link + 4] = (8).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(data)
    assert len(read_pages(tmp_path / "a.tif")) == 1


def test_pages_are_read_when_they_are_asked_for_and_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pages(tmp_path / "a.tif", pages())
    read: list[int] = []
    by_pil = formats._by_pil

    def counted(image: Image.Image, *arguments: object, **options: object) -> object:
        read.append(options["page"].index)  # type: ignore[attr-defined]
        return by_pil(image, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(formats, "_by_pil", counted)
    found = read_pages(tmp_path / "a.tif")
    assert read == [0] and len(found) == 3
    assert found[2].values.shape == (1, 3, 9, 13) and read == [0, 2]
    assert [picture.mode for picture in found] == ["rgb", "grey", "rgb"] and read == [0, 2, 1, 2]
    assert found._first is None


def test_a_small_file_of_many_large_pages_is_refused_before_a_pixel_is_read(tmp_path: Path) -> None:
    values = samples(from_pil(noise()))
    made = [encode_page(values, Image.Exif(), icc=None, xmp=b"", dpi=None, inks=False) for _ in range(400)]
    data = bytearray(join(made))
    place, side = 8, 9000
    while place:  # each page claims 81 million pixels
        count = int.from_bytes(data[place : place + 2], "little")
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            if int.from_bytes(data[entry : entry + 2], "little") in (256, 257):
                data[entry + 8 : entry + 12] = side.to_bytes(4, "little")
        link = place + 2 + 12 * count
        place = int.from_bytes(data[link : link + 4], "little")
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageError, match=r"claims 32400 million pixels in 400 pages"):
        read_pages(tmp_path / "a.tif")


def test_a_long_document_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    rgb = torch.ones(1, 3, 14, 14)
    write_pages(tmp_path / "a.tif", [(rgb, Picture(rgb))] * 20)  # 3920 pixels, of which PIL would let 200 pass
    assert len(read_pages(tmp_path / "a.tif")) == 20


def test_pixels_are_let_go_as_soon_as_nobody_uses_them(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", pages())
    saved(tmp_path / "a.png", noise())
    gc.disable()  # which would come too late for large pictures
    try:
        for name in ("a.png", "a.tif"):
            found = read_pages(tmp_path / name)
            pixels = weakref.ref(found[0].values)
            del found
            assert pixels() is None
    finally:
        gc.enable()
