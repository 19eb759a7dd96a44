"""Laws of JPEG output."""

from pathlib import Path

import pytest
from PIL import Image, JpegImagePlugin

from restorekit.image import read_image, write_image
from tests.image.made import noise, saved


@pytest.mark.parametrize(("quality", "written"), [(10, 95), (75, 95), (98, 98), (100, 100)])
def test_a_jpeg_is_written_at_its_own_quality_but_never_below_95(
    tmp_path: Path, quality: int, written: int
) -> None:
    picture = read_image(saved(tmp_path / "a.jpg", noise(), quality=quality))
    assert picture.jpeg_quality == quality
    write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    saved(tmp_path / "c.jpg", noise(), quality=written, subsampling=0)
    with Image.open(tmp_path / "b.jpg") as ours, Image.open(tmp_path / "c.jpg") as reference:
        assert isinstance(ours, JpegImagePlugin.JpegImageFile)
        assert isinstance(reference, JpegImagePlugin.JpegImageFile)
        assert ours.quantization == reference.quantization
        assert JpegImagePlugin.get_sampling(ours) == 0  # 4:4:4
