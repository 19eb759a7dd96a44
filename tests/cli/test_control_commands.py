"""Laws of the options by which a user decides: verbs, presets, masks."""

import json

import pytest
import torch
from PIL import Image

from restorekit.image import read_image
from tests.tiny import BASES, LOOK

SIZE = (20, 14)


def weights(cli, *options):
    record = json.loads(cli("restore", "photo.png", "-o", "out.png", "--overwrite", "--json", *options).out)
    return record["weights"], record.get("wish")


def drawn(name, size=SIZE, left=255, right=0, **saving):
    """A mask of two halves."""
    image = Image.new("L", size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    image.save(name, **saving)


def test_each_verb_has_an_option_and_the_record_tells_the_wish(cli, photo):
    photo("photo.png")
    seen, nothing = weights(cli)
    assert nothing is None
    verbs = ("--adjust", "noise=0.5", "--without", "jpeg", "--set", "rain=0.3", "--strength", "0.5")
    given, wish = weights(cli, *verbs)
    wanted = {**seen, "noise": 0.5 * seen["noise"], "jpeg": 0, "rain": 0.3}
    assert given == pytest.approx({name: 0.5 * value for name, value in wanted.items()}, abs=1e-4)
    assert wish == {"adjust": {"noise": 0.5}, "set": {"rain": 0.3}, "without": ["jpeg"], "strength": 0.5}
    alone, wish = weights(cli, "--adjust", "noise=1", "--only")
    assert alone == {**dict.fromkeys((*BASES, LOOK), 0), "noise": seen["noise"]} and wish["only"] == ["noise"]


def test_a_preset_keeps_what_it_names_and_set_has_the_last_word(cli, photo):
    photo("photo.png")
    seen, _ = weights(cli)
    film = {**seen, "noise": 0, "blur": seen["blur"] / 2, "lowres": 1}
    assert weights(cli, "--keep", "film", "--set", "lowres=1")[0] == pytest.approx(film, abs=1e-4)


def test_presets_are_listed_with_what_they_do_here(cli):
    listed = {p["name"]: p for p in json.loads(cli("presets", "--json").out)["presets"]}
    assert listed["film"]["without"] == ["noise"] and listed["film"]["adjust"] == {"blur": 0.5, "lowres": 0.5}
    assert {"grain", "film", "rain", "soft", "bokeh"} <= listed.keys()
    table = cli("presets").out
    assert all(p["summary"] in table and p["plugin"] in table for p in listed.values())


@pytest.mark.parametrize("name", ["photo.jpg", "deep.png"])
def test_strength_0_gives_back_the_pixels_of_the_file(cli, photo, tmp_path, name):
    if name == "deep.png":
        Image.linear_gradient("L").resize(SIZE).convert("I").point(lambda v: v * 257).convert("I;16").save(name)
    else:
        photo(name)
    assert cli("restore", name, "-o", "same.png", "--strength", "0").code == 0
    out, before = read_image("same.png"), read_image(name)
    assert out.depth == before.depth
    assert torch.equal(out.values.to(torch.int32), before.values.to(torch.int32))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--adjust", "nose=1"), "did you mean noise"),
        (("--keep", "grian"), "did you mean grain"),
        (("--mask", "nose=photo.png"), "did you mean noise"),
        (("--adjust", "noise"), "write noise=0.5"),
        (("--set", "noise=1", "--adjust", "noise=1"), "give one of set and adjust"),
        (("--only",), "name what to remove"),
        (("--mask", "none.png"), "none.png does not exist"),
        (("--feather", "5"), "add --mask FILE"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(cli, photo, options, said):
    photo("photo.png")
    outcome = cli("restore", "photo.png", *options)
    assert outcome.is_one_error() and said in outcome.err
    assert cli("restore", "photo.png", "--strength", "1.6").code == 2


def halves(name):
    values = read_image(name).values.to(torch.int32)
    return values[..., : values.shape[3] // 2], values[..., values.shape[3] // 2 :]


def test_under_a_black_mask_the_written_pixels_are_the_files(cli, photo, tmp_path):
    Image.effect_noise(SIZE, 60).convert("I").point(lambda v: v * 257).convert("I;16").save("deep.png")
    drawn("mask.png")
    how = ("--set", "noise=1", "--only", "--overwrite", "--json")
    cli("restore", "deep.png", "-o", "whole.png", *how)
    record = json.loads(cli("restore", "deep.png", "-o", "out.png", "--mask", "mask.png", *how).out)
    assert record["masks"] == {"": str(tmp_path / "mask.png")}
    assert read_image("out.png").depth == 16
    (left, right), (whole, _), (before, untouched) = map(halves, ("out.png", "whole.png", "deep.png"))
    assert torch.equal(left, whole) and torch.equal(right, untouched) and not torch.equal(left, before)
    cli("restore", "deep.png", "-o", "sky.png", "--mask", "noise=mask.png", *how)
    assert torch.equal(halves("sky.png")[1], untouched) and torch.equal(halves("sky.png")[0], whole)


def test_photo_and_mask_meet_upright_whatever_their_files_say(cli, photo):
    """A phone stores the picture lying down; its mask may be stored either way."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise(SIZE, 60).convert("RGB").save("phone.png", exif=exif)  # seen as 14 x 20
    drawn("upright.png", SIZE[::-1])
    Image.open("upright.png").transpose(Image.Transpose.ROTATE_90).save("lying.png", exif=exif)
    how = ("--set", "noise=1", "--only")
    for mask in ("upright", "lying"):
        assert cli("restore", "phone.png", "-o", f"{mask}-out.png", "--mask", f"{mask}.png", *how).code == 0
    assert torch.equal(read_image("upright-out.png").values, read_image("lying-out.png").values)
    assert torch.equal(halves("upright-out.png")[1], halves("phone.png")[1])


def test_what_a_mask_shows_through_its_alpha_counts(cli, photo):
    photo("photo.png")
    clear = Image.new("RGBA", SIZE, (255, 255, 255, 0))
    clear.save("clear.png")
    record = json.loads(cli("restore", "photo.png", "--mask", "clear.png", "--json").out)
    assert record["copied"] and not any(record["weights"].values())


def test_a_feather_softens_the_edge_and_the_record_and_the_report_tell_it(cli, photo, tmp_path):
    photo("photo.png", SIZE)
    drawn("mask.png")
    how = ("--set", "noise=1", "--only", "--mask", "mask.png", "--precision", "fp32", "--json")
    hard = json.loads(cli("restore", "photo.png", "-o", "hard.png", *how).out)
    page = ("--report", "page.html")
    soft = json.loads(cli("restore", "photo.png", "-o", "soft.png", "--feather", "2", *how, *page).out)
    assert "feather" not in hard and soft["feather"] == 2
    assert (tmp_path / "page.html").read_text().count("--feather") == 2  # as it was typed, and with these weights
    before, one, other = (read_image(name).values for name in ("photo.png", "hard.png", "soft.png"))
    half = SIZE[0] // 2
    assert torch.equal(other[..., half + 2 :], before[..., half + 2 :])
    assert not torch.equal(other[..., half : half + 2], one[..., half : half + 2])
