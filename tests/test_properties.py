"""Laws that hold for any picture, of any size and kind, cut into any tiles; hypothesis looks for one that breaks
them."""

from __future__ import annotations

import io
import math
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from restorekit.errors import ImageError
from restorekit.image import Picture, as_float, as_values, read_image, write_image
from restorekit.running.tiling import apply_tiled
from tests.image.made import noise

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)
SIDES = st.integers(1, 150)
TYPES = st.sampled_from([torch.uint8, torch.uint16, torch.float32])
RADIUS = 3


def picture(height: int, width: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return as_values(torch.rand(1, 3, height, width, generator=generator), dtype)


@pytest.fixture(scope="module")
def convolutions() -> nn.Module:
    """A network that sees RADIUS px far."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in ((3, 4), (4, 4), (4, 3))]
    return nn.Sequential(*layers, nn.Sigmoid()).requires_grad_(False)


@SETTINGS
@given(
    height=SIDES,
    width=SIDES,
    halo=st.integers(RADIUS, 20),
    multiple=st.sampled_from([1, 2, 4, 8]),
    extra=st.integers(0, 99),
)
@example(height=149, width=1, halo=20, multiple=8, extra=0)
def test_tiled_equals_whole_for_any_size_and_tile(convolutions, height, width, halo, multiple, extra):
    image = picture(height, width, torch.float32)
    smallest = 2 * math.ceil(2 * halo / multiple) * multiple + multiple
    tiled = apply_tiled(convolutions, image, tile=smallest + extra, halo=halo, multiple=multiple)
    whole = apply_tiled(convolutions, image, tile=1000, halo=halo, multiple=multiple)
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)


@settings(SETTINGS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=SIDES, width=SIDES, dtype=TYPES, tile=st.integers(1, 400), scale=st.sampled_from([1, 1, 2]))
def test_any_picture_comes_back_at_its_size_in_its_type(restorer, height, width, dtype, tile, scale):
    image = picture(height, width, dtype)
    result = restorer.restore(image, tile=tile, scale=scale).image
    assert result.shape == (1, 3, scale * height, scale * width) and result.dtype == dtype
    untouched = restorer.restore(image, weights=dict.fromkeys(restorer.bases, 0.0), blind=False, tile=tile)
    assert torch.equal(untouched.image, image)


@settings(SETTINGS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=SIDES, width=st.integers(1, 900), tile=st.integers(1, 150), steps=st.sampled_from([1, 1, 2]))
def test_a_picture_in_strips_is_the_picture_in_one_piece(restorer, height, width, tile, steps):
    image = picture(height, width, torch.float32)
    chosen = dict.fromkeys(restorer.bases, 0.3)
    whole, strips = (
        restorer.restore(image, weights=chosen, blind=False, tile=t, steps=steps).image for t in (1000, tile)
    )
    assert float((whole - strips).abs().max()) < 1 / 255


@SETTINGS
@given(
    height=SIDES,
    width=SIDES,
    dtype=TYPES,
    name=st.sampled_from(["a.png", "a.tif", "a.webp", "a.bmp"]),
    mode=st.sampled_from(["rgb", "grey"]),
    alpha=st.booleans(),
)
def test_what_is_written_without_loss_is_read_as_it_was(height, width, dtype, name, mode, alpha):
    values = picture(height, width, dtype)
    if mode == "grey":
        values = values[:, :1].expand(-1, 3, -1, -1)
    depth = 8 * dtype.itemsize
    holds = {"a.png": 16, "a.tif": 32}.get(name, 8)
    source = Picture(values, alpha=values[0, 0].clone() if alpha else None, mode=mode, depth=depth)
    with tempfile.TemporaryDirectory() as folder:
        write_image(Path(folder) / name, values, source=source)
        found = read_image(Path(folder) / name)
    assert found.depth == min(depth, holds)
    tolerance = 0 if depth <= holds else 0.501 / (2**holds - 1)
    torch.testing.assert_close(found.rgb, as_float(values), atol=tolerance + 1e-7, rtol=0)
    if alpha and name != "a.bmp":
        assert found.alpha is not None
        torch.testing.assert_close(as_float(found.alpha), as_float(values[0, 0]), atol=tolerance + 1e-7, rtol=0)


def encoded(format: str) -> bytes:
    file = io.BytesIO()
    noise(23, 17).save(file, format, **({"exif": Image.Exif()} if format != "BMP" else {}))
    return file.getvalue()


WHOLE = {format: encoded(format) for format in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")}


@settings(SETTINGS, max_examples=200)
@given(format=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused_in_one_line(format, data):
    damaged = bytearray(WHOLE[format])
    places = st.integers(0, len(damaged) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=6)).items():
        damaged[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.img"
        path.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
        try:
            rgb = read_image(path).rgb
        except ImageError as error:
            assert "\n" not in str(error) and str(path) in str(error)
        else:
            assert rgb.shape[:2] == (1, 3) and 0 <= float(rgb.min()) <= float(rgb.max()) <= 1
