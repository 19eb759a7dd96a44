"""Laws of `restorekit restore --example` and `--recipe`: shown once, done to all."""

import tomllib

import pytest
import torch

from restorekit.image import read_image, write_image
from restorekit.work.recipe import read_recipe


@pytest.fixture
def example(tmp_path, restorer):
    """A picture before and after, by the tiny model's own hand, and another one."""
    before = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    write_image(tmp_path / "before.png", before)
    before = read_image(tmp_path / "before.png").rgb
    write_image(tmp_path / "after.png", restorer.restore(before, weights={"rain": 1.0}, blind=False).image)
    write_image(tmp_path / "b.png", before.flip(3))
    return ("--example", "before.png", "after.png")


def test_what_a_pair_shows_is_done_to_another_and_kept_for_later(cli, example, tmp_path):
    shown = cli("restore", "b.png", *example, "--save-recipe", "look.toml", "--precision", "fp32")
    assert shown.code == 0, shown.err
    assert "by example: rain 1.00" in shown.err and "of the change" in shown.err
    assert read_recipe(tmp_path / "look.toml").mixture.active == {"rain": 1.0}
    later = cli("restore", "b.png", "--recipe", "look.toml", "-o", "later.png", "--precision", "fp32")
    assert later.code == 0 and "note" not in later.err
    named = cli("restore", "b.png", "--set", "rain=1", "--only", "-o", "named.png", "--precision", "fp32")
    assert named.code == 0
    pixels = [read_image(tmp_path / name).values for name in ("b.restored.png", "later.png", "named.png")]
    assert torch.equal(pixels[0], pixels[1]) and torch.equal(pixels[0], pixels[2])


def test_the_weights_are_read_once_for_the_example_and_the_pictures(cli, example, monkeypatch):
    from restorekit.running.restorer import Restorer

    loads, load = [], Restorer.from_pretrained
    monkeypatch.setattr(Restorer, "from_pretrained", lambda *a, **k: (loads.append(a), load(*a, **k))[1])
    assert cli("restore", "b.png", *example).code == 0
    assert len(loads) == 1


def test_other_words_are_said_over_what_a_recipe_says(cli, example, tmp_path):
    path = tmp_path / "look.toml"
    assert cli("restore", "b.png", *example, "--save-recipe", "look.toml").code == 0
    assert cli("restore", "b.png", "--recipe", "look.toml", "--without", "rain", "-o", "off.png").code == 0
    assert (tmp_path / "off.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    changed = path.read_text().replace(tomllib.loads(path.read_text())["fingerprint"], "0" * 64)
    path.write_text(changed)
    assert (
        "with other weights than those installed"
        in cli("restore", "b.png", "--recipe", "look.toml", "-o", "o.png").err
    )


def test_a_change_that_the_bases_hardly_explain_offers_a_training(cli, example, tmp_path):
    write_image(tmp_path / "other.png", read_image(tmp_path / "before.png").rgb.flip(2))
    outcome = cli("restore", "b.png", "--example", "before.png", "other.png")
    assert outcome.code == 0 and "train basis NAME --pairs" in outcome.err


@pytest.mark.parametrize("words", [("--example", "before.png"), ("--example",), ("--example", "a.png", "--json")])
def test_an_example_of_one_picture_is_wrong_usage(cli, words):
    assert cli("restore", "b.png", *words).code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--save-recipe", "look.toml"), "add --example BEFORE AFTER"),
        (("--example", "b.png", "b.png", "--recipe", "look.toml"), "choose one"),
        (("--example", "b.png", "b.png"), "are the same"),
        (("--example", "b.png", "small.png"), "crop or scale them to one size"),
        (("--example", "b.png", "gone.png"), "gone.png"),
        (("--example", "b.png", "small.png", "--save-recipe", "look.txt"), "ends in .toml"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_written(cli, photo, tmp_path, words, said):
    photo("b.png", (64, 48)), photo("small.png", (60, 48))
    outcome = cli("restore", "b.png", *words)
    assert outcome.is_one_error() and said in outcome.err
    assert not (tmp_path / "b.restored.png").exists()


def test_a_recipe_of_a_training_is_told_apart(cli, photo, tmp_path):
    photo("b.png")
    (tmp_path / "base.toml").write_text('training = "backbone"\n')
    assert "`restorekit train base.toml` runs" in cli("restore", "b.png", "--recipe", "base.toml").err
