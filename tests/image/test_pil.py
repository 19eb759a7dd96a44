"""Laws of `restore_pil`: it does with an image in memory what the command does with a file."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

import restorekit
from restorekit.cli.main import run
from restorekit.errors import ImageError
from restorekit.image.pil import image_of, picture_of

SIZE = (26, 18)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gradient(mode: str = "RGB") -> Image.Image:
    left = Image.linear_gradient("L").resize(SIZE)
    right = Image.radial_gradient("L").resize(SIZE)
    rgb = Image.merge("RGB", (left, right, ImageOps.invert(left)))
    if mode == "I;16":
        grey = torch.arange(SIZE[0] * SIZE[1], dtype=torch.int32) * 140
        return Image.frombytes("I;16", SIZE, grey.to(torch.uint16).numpy().tobytes())
    if mode in ("RGBA", "LA"):
        image = rgb.convert(mode[:-1])
        image.putalpha(right)
        return image
    return rgb.convert(mode)


def test_a_look_in_python_is_that_of_the_command_and_0_is_none(restorer, cli):
    image = Image.radial_gradient("L").resize((90, 60)).convert("RGB")
    image.save("photo.png")
    assert (
        cli("restore", "photo.png", "-o", "out.png", "--precision", "fp32", "--look", "0.6", "--seed", "3").code
        == 0
    )
    looked = restorekit.restore_pil(image, restorer=restorer, look=0.6, seed=3)
    assert looked.tobytes() == Image.open("out.png").tobytes()
    assert looked.tobytes() != restorekit.restore_pil(image, restorer=restorer).tobytes()


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "A maker"
    return exif.tobytes()


def from_file(image: Image.Image, kind: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once_and_the_rest_of_exif_stays(restorer, orientation, kind):
    options = {"exif": exif_of(orientation), **({"lossless": True} if kind == "WEBP" else {})}
    image = from_file(gradient(), kind, **options)
    source = picture_of(image)
    upright = image_of(source.values, source)
    again = from_file(gradient(), kind, **options)
    again.load()
    if kind != "TIFF":  # which PIL turns itself on loading
        again = ImageOps.exif_transpose(again)
    assert upright.tobytes() == again.convert("RGB").tobytes()
    restored = restorekit.restore_pil(image, restorer=restorer, scale=2)
    assert restored.size == (2 * upright.width, 2 * upright.height)
    untouched = from_file(gradient(), kind, **options)
    untouched.load()
    assert dict(image.getexif()) == dict(untouched.getexif()) and image.info == untouched.info
    exif = Image.Exif()
    exif.load(restored.info["exif"])
    assert exif.get(0x0112, 1) == 1 and exif[0x010F] == "A maker"
    assert ImageOps.exif_transpose(restored).size == restored.size


@pytest.mark.parametrize(
    ("mode", "restored"),
    [("1", "L"), ("L", "L"), ("LA", "LA"), ("I;16", "I;16"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGBA"),
     ("RGBa", "RGBA"), ("La", "LA"), ("CMYK", "CMYK"), ("YCbCr", "RGB"), ("HSV", "RGB")],
)  # fmt: skip
def test_every_mode_comes_back_as_its_kind_with_nothing_done_as_it_was(mode, restored):
    image = gradient(mode) if mode not in ("RGBa", "La") else gradient(mode.upper()).convert(mode)
    source = picture_of(image)
    back = image_of(source.values, source)
    assert back.mode == restored and back.size == image.size
    if mode not in ("CMYK", "RGBa", "La"):  # those are computed
        assert back.tobytes() == image.convert(restored).tobytes()


def test_alpha_stays_beside_the_pixels_and_is_enlarged_with_them(restorer):
    image = gradient("RGBA")
    restored = restorekit.restore_pil(image, restorer=restorer)
    assert restored.mode == "RGBA" and restored.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    large = restorekit.restore_pil(image, restorer=restorer, scale=2)
    assert large.mode == "RGBA" and large.size == (52, 36)
    palette = gradient("P")
    palette.info["transparency"] = 3
    assert restorekit.restore_pil(palette, restorer=restorer).mode == "RGBA"


def test_profiles_resolution_and_xmp_are_in_info_and_a_profile_only_where_it_fits(restorer):
    image = gradient()
    image.info.update(icc_profile=SRGB, dpi=(300, 200), xmp=b"<x/>")
    before = dict(image.info)
    info = restorekit.restore_pil(image, restorer=restorer).info
    assert info["icc_profile"] == SRGB and info["dpi"] == (300, 200) and info["xmp"] == b"<x/>"
    assert image.info == before
    grey = gradient("L")
    grey.info["icc_profile"] = SRGB  # of colour, in a grey image
    assert "icc_profile" not in restorekit.restore_pil(grey, restorer=restorer).info


def test_exif_that_the_caller_changed_and_text_of_a_png_go_along(restorer):
    image = gradient()
    image.getexif()[0x010F] = "Another maker"
    exif = Image.Exif()
    exif.load(restorekit.restore_pil(image, restorer=restorer).info["exif"])
    assert exif[0x010F] == "Another maker"
    text = PngInfo()
    text.add_text("Author", "Zoe")
    assert restorekit.restore_pil(from_file(image, "PNG", pnginfo=text), restorer=restorer).info["Author"] == "Zoe"


def test_sixteen_bits_stay_sixteen_through_the_network(restorer):
    image = gradient("I;16")
    restored = restorekit.restore_pil(image, restorer=restorer)
    levels = torch.frombuffer(bytearray(restored.tobytes()), dtype=torch.uint16).int()
    assert restored.mode == "I;16" and (levels % 257 != 0).any()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_mode_of_no_known_range_is_refused_with_the_remedy(restorer, mode):
    with pytest.raises(ImageError, match="convert it to RGB"):
        restorekit.restore_pil(Image.new(mode, (8, 8)), restorer=restorer)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("TIFF", "CMYK"),
     ("TIFF", "RGB"), ("JPEG", "RGB")],
)  # fmt: skip
def test_the_pixels_are_the_commands(restorer, tmp_path, monkeypatch, kind, mode):
    monkeypatch.chdir(tmp_path)
    source = f"a.{kind.lower()}"
    gradient(mode).save(source, kind, **({"exif": exif_of(6)} if kind == "JPEG" else {}))
    with pytest.raises(SystemExit) as ended:
        run(
            [
                "restore",
                source,
                "-o",
                f"b.{'png' if kind == 'JPEG' else kind.lower()}",
                "--precision",
                "fp32",
                "--metadata",
                "strip",
            ]
        )  # lest it be copied
    assert not ended.value.code
    with Image.open(source) as image, Image.open(f"b.{'png' if kind == 'JPEG' else kind.lower()}") as written:
        restored = restorekit.restore_pil(image, restorer=restorer)
        assert restored.size == written.size and restored.mode == written.mode
        assert restored.tobytes() == written.tobytes()
