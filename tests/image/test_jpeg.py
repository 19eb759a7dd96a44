"""Laws of JPEG output: compressed as the input was, unless that shows or one tells otherwise."""

from pathlib import Path

import pytest
from PIL import Image, JpegImagePlugin

from restorekit.errors import ImageError
from restorekit.image import from_pil, read_image, write_image
from tests.image.made import noise, saved


def coding(path: Path) -> tuple[dict[int, list[int]], int]:
    with Image.open(path) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        return image.quantization, JpegImagePlugin.get_sampling(image)


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [75, 90, 98, 100])
def test_a_jpeg_is_written_with_its_own_tables_and_sampling(tmp_path: Path, quality: int, sampling: str) -> None:
    path = saved(tmp_path / "a.jpg", noise(), quality=quality, subsampling=sampling)
    picture = read_image(path)
    assert picture.jpeg is not None and (picture.jpeg.quality, picture.jpeg.sampling) == (quality, sampling)
    lines = write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    assert coding(tmp_path / "b.jpg") == coding(path) and lines == ()


@pytest.mark.parametrize("quality", [5, 74])
def test_a_quality_that_would_put_artefacts_back_is_raised_and_a_line_says_so(
    tmp_path: Path, quality: int
) -> None:
    picture = read_image(saved(tmp_path / "a.jpg", noise(), quality=quality))
    [line] = write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    assert f"the input's {quality} " in line
    assert coding(tmp_path / "b.jpg") == coding(saved(tmp_path / "c.jpg", noise(), quality=95, subsampling=0))


def test_tables_that_are_not_libjpeg_s_are_kept_too(tmp_path: Path) -> None:
    tables = [[3 + i % 7 for i in range(64)], [9 + i % 5 for i in range(64)]]
    path = saved(tmp_path / "a.jpg", noise(), qtables=tables)
    picture = read_image(path)
    write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    assert coding(tmp_path / "b.jpg") == coding(path)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_grey_or_inks_keeps_its_one_table(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "a.jpg", noise(mode=mode), quality=80)
    picture = read_image(path)
    write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.mode == mode
    assert coding(tmp_path / "b.jpg")[0][0] == coding(path)[0][0]


@pytest.mark.parametrize(("told", "written"), [(None, 95), (30, 30), (100, 100)])
def test_a_quality_that_is_told_holds_and_colour_is_not_sampled(
    tmp_path: Path, told: int | None, written: int
) -> None:
    saved(tmp_path / "c.jpg", noise(), quality=written, subsampling=0)
    write_image(tmp_path / "b.jpg", from_pil(noise()), quality=told)
    assert coding(tmp_path / "b.jpg") == coding(tmp_path / "c.jpg")
    if told:
        picture = read_image(saved(tmp_path / "a.jpg", noise(), quality=50))
        assert write_image(tmp_path / "d.jpg", picture.rgb, source=picture, quality=told) == ()
        assert coding(tmp_path / "d.jpg") == coding(tmp_path / "c.jpg")


def test_a_quality_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="quality must be 1 to 100, got 0"):
        write_image(tmp_path / "a.jpg", from_pil(noise()), quality=0)
