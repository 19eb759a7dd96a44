"""Laws of the desk behind the page, which has no web in it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image

from restorekit.errors import ImageError, RestorekitError
from restorekit.image import read_image
from restorekit.running.restorer import Restorer
from restorekit.web import ui
from restorekit.web.ui_desk import Desk
from restorekit.web.ui_pieces import box_around, reduced
from restorekit.web.ui_values import Mask, Order, Sheet, mask_of
from restorekit.web.ui_views import command, error, facts
from restorekit.weighing import Wish
from restorekit.work import Options
from restorekit.work.uploads import StoppedError


@pytest.fixture(scope="module")
def restorer(weights_folder: Path) -> Iterator[Restorer]:
    """One for all; nothing here changes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_WEIGHTS", str(weights_folder))
        yield Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture
def desk(restorer) -> Desk:
    return Desk(restorer, Options(device="cpu", precision="fp32"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A photograph of a bright corner, with EXIF."""
    torch.manual_seed(0)
    values = (torch.rand(90, 120, 3) * 80 + torch.linspace(0, 170, 120)[:, None]).to(torch.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    path = tmp_path / "in" / "a photo.png"
    path.parent.mkdir()
    Image.fromarray(values.numpy()).save(path, exif=exif)
    return path


WISHED = Order(wish=Wish(set={"noise": 0.7}, keep=("rain",), strength=0.5), scale=2, strip=True)
FLAGS = ["--set", "noise=0.7", "--keep", "rain", "--strength", "0.5", "--scale", "2", "--metadata", "strip"]


LOOKED = Order(wish=Wish(set={"noise": 0.7}), look=0.5, seed=7)
LOOK_FLAGS = ["--set", "noise=0.7", "--look", "0.5", "--seed", "7"]


@pytest.mark.parametrize(
    ("order", "flags"),
    [(Order(), []), (WISHED, FLAGS), (LOOKED, LOOK_FLAGS)],
    ids=["as found", "wished", "with a look"],
)
def test_the_page_writes_the_file_that_the_command_writes(desk, cli, picture, tmp_path, order, flags):
    """And the command that it shows is that one."""
    sheet = desk.open(picture)
    result = desk.restore(sheet, order, tmp_path)
    done = cli("restore", str(picture), "-o", "by.png", "--device", "cpu", "--precision", "fp32", *flags)
    assert done.code == 0, done.err
    assert result.path.name == "a photo.restored.png"
    assert result.path.read_bytes() == Path("by.png").read_bytes()
    words = command(sheet, order)
    assert "&#x27;a photo.png&#x27;" in words and all(flag in words for flag in flags)


def test_sliders_that_were_not_moved_leave_the_word_to_the_encoder(desk, picture):
    sheet = desk.open(picture)
    shown = {name: round(weight, 2) for name, weight in sheet.found.weights.values.items()}
    assert desk.wish(sheet, shown) == Wish()
    assert desk.wish(sheet, {**shown, "jpeg": 0.33}).set == {"jpeg": 0.33}
    kept = {**shown, "rain": 0.0}
    assert desk.wish(sheet, kept, ("rain",)) == Wish(keep=("rain",))


@pytest.mark.parametrize("scale", [1, 2])
def test_a_trial_has_the_pixels_of_the_whole_picture(desk, picture, monkeypatch, scale):
    """But for a level, since the network is told of a picture as a whole too."""
    monkeypatch.setattr("restorekit.web.ui_desk.SIDE", 32)
    sheet = desk.open(picture)
    order = Order(wish=Wish(set={"noise": 1.0, "blur": 0.4}, only=("noise", "blur")), scale=scale)
    trial = desk.try_out(sheet, order, (1, 0.4))
    values = read_image(picture).values
    whole = desk.restorer.restore(values, wish=order.wish, scale=scale).image
    left, top, right, bottom = (n * scale for n in trial.box)
    assert (right - left, right) == (32, 120 * scale)
    gap = (trial.after.values.int() - whole[..., top:bottom, left:right].int()).abs()
    assert gap.max() <= 1 and not torch.equal(trial.after.values, trial.before.values)


def test_a_trial_has_the_look_of_the_whole_picture(desk, picture, monkeypatch):
    """Grain lies where it lies in the whole; only what is far away is not seen."""
    monkeypatch.setattr("restorekit.web.ui_desk.SIDE", 32)
    order = Order(wish=Wish(set={"noise": 1.0}, only=("noise",)), look=0.8, seed=3)
    trial = desk.try_out(desk.open(picture), order, (1, 0.4))
    values = read_image(picture).values
    whole = desk.restorer.restore(values, wish=order.wish, look=0.8, seed=3).image
    plain = desk.restorer.restore(values, wish=order.wish).image
    left, top, right, bottom = trial.box
    piece = whole[..., top:bottom, left:right].int()
    assert (trial.after.values.int() - piece).abs().max() <= 1
    assert (plain[..., top:bottom, left:right].int() - piece).abs().max() > 5


def test_no_weight_leaves_a_trial_as_it_was(desk, picture):
    trial = desk.try_out(desk.open(picture), Order(wish=Wish(strength=0)))
    assert torch.equal(trial.before.values, trial.after.values)


def test_what_is_not_painted_is_not_touched(desk, picture, tmp_path):
    sheet, layer = desk.open(picture), torch.zeros(45, 60, dtype=torch.uint8)
    layer[:, :20] = 255
    wish = Wish(set={"noise": 1.0})
    alone = Order(wish=wish, mask=mask_of([layer.numpy()], spared=False))
    spared = replace(alone, mask=mask_of([layer.numpy()], spared=True))
    before = read_image(picture).values
    for order, kept, changed in ((alone, slice(44, None), slice(0, 36)), (spared, slice(0, 36), slice(44, None))):
        result = desk.restore(sheet, order, tmp_path)
        after, trial = read_image(result.path).values, desk.try_out(sheet, order)
        assert torch.equal(after[..., kept], before[..., kept])
        assert not torch.equal(after[..., changed], before[..., changed])
        assert torch.equal(trial.after.values[..., kept], before[..., kept])
    assert (
        mask_of([torch.zeros(4, 4, dtype=torch.uint8)], spared=False) is None and mask_of([], spared=True) is None
    )


def test_an_order_with_another_mask_is_another_order():
    layer = torch.ones(2, 2, dtype=torch.uint8)
    mask = Mask(layer)
    assert Order(mask=mask) == Order(mask=mask) != Order(mask=Mask(layer))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n and no more"])
def test_an_unreadable_upload_is_told_by_name_alone(desk, tmp_path, data):
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"^cat\.png") as raised:
        desk.open(path)
    assert str(tmp_path) not in str(raised.value)


def test_too_many_pixels_are_refused_also_when_enlarged(restorer, picture, tmp_path):
    small = Desk(restorer, Options(device="cpu", precision="fp32"), most=90 * 120)
    sheet = small.open(picture)
    with pytest.raises(ImageError, match="enlarged 2 times"):
        small.restore(sheet, Order(scale=2), tmp_path)
    with pytest.raises(ImageError, match="million"):
        Desk(restorer, Options(), most=90 * 120 - 1).open(picture)


def test_a_bad_file_does_not_stop_the_others_and_no_result_hides_another(desk, picture, tmp_path):
    again = tmp_path / "a photo.png"
    again.write_bytes(picture.read_bytes())
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    told = []
    folder = tmp_path / "out"
    folder.mkdir()
    good, none, other = desk.restore_all([picture, bad, again], Order(), folder, lambda *told_: told.append(told_))
    assert none.path is None and none.lines[0].startswith("bad.png")
    assert good.path.name == "a photo.restored.png" and other.path.name == "a photo.restored (2).png"
    assert good.path.read_bytes() == other.path.read_bytes() and told == [(0, 3), (1, 3), (2, 3)]


def test_whoever_stops_gets_no_file(restorer, picture, tmp_path):
    desk = Desk(restorer, Options(tile=1))  # pieces as small as can be
    sheet = desk.open(picture)
    with pytest.raises(StoppedError):
        desk.restore(sheet, Order(wish=Wish(set={"noise": 1.0})), tmp_path, lambda *_: sheet.stop.set())
    assert not list(tmp_path.glob("*.png"))


def test_pixels_are_kept_of_the_last_pictures_only(desk, picture, tmp_path):
    copies = [tmp_path / f"{n}.png" for n in range(3)]
    for copy in copies:
        copy.write_bytes(picture.read_bytes())
    first, *_ = [desk.open(copy) for copy in copies]
    assert len(desk.pictures.values) == 2
    copies[0].unlink()
    with pytest.raises(ImageError, match=r"0\.png was put away"):
        desk.try_out(first, Order())


def test_a_name_is_a_name_and_no_markup():
    name = "<img src=x onerror=alert(1)>.png"
    assert "<img" not in error(name)
    sheet = Sheet(Path(name), name, 1, 1, 1, None)
    assert "<img" not in command(sheet, Order()) and facts(sheet).startswith(name)


def test_reduced_pictures_are_means_and_boxes_lie_within(picture):
    small = reduced(read_image(picture), 40)
    whole = read_image(picture).rgb
    assert small.values.shape == (1, 3, 30, 40)
    assert (small.rgb[0, :, 4, 5] - whole[0, :, 12:15, 15:18].mean((1, 2))).abs().max() <= 0.5 / 255 + 1e-6
    assert small.exif is None and reduced(small, 40).values.shape == small.values.shape
    for point in ((0, 0), (1, 1), (0.5, 0.1)):
        left, top, right, bottom = box_around(point, 50, 120, 30)
        assert left >= 0 and right <= 120 and (right - left, top, bottom) == (50, 0, 30)


def test_without_gradio_the_error_names_the_extra(cli, monkeypatch):
    monkeypatch.setattr(ui, "find_spec", lambda name: None)
    done = cli("ui")
    assert done.is_one_error() and ui.INSTALL in done.err
    with pytest.raises(RestorekitError):
        ui.check_installed()


def test_an_example_moves_the_sliders_to_what_made_it(desk, picture, tmp_path):
    made = desk.restore(desk.open(picture), Order(wish=Wish(set={"noise": 0.8}, only=("noise",))), tmp_path).path
    weights, lines = desk.match(picture, made)
    assert weights["noise"] == pytest.approx(0.8, abs=0.1) and set(weights) == set(desk.restorer.bases)
    assert "explains" in lines[-1] and str(tmp_path) not in " ".join(lines)
    small = tmp_path / "small.png"
    Image.new("RGB", (64, 64)).save(small)
    with pytest.raises(RestorekitError) as raised:
        desk.match(picture, small)
    said = desk.said(raised.value, picture, small)
    assert "a photo.png has 120x90 px and small.png has 64x64" in said and str(tmp_path) not in said
