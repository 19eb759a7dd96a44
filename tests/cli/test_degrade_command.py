"""Laws of `restorekit degrade`."""

import json
from pathlib import Path

import pytest
from PIL import Image


def pixels(path):
    with Image.open(path) as image:
        return image.tobytes()


def test_the_same_seed_makes_the_same_picture_and_another_seed_another(cli, photo):
    photo("photo.png")
    for name, seed in (("a.png", "0"), ("b.png", "0"), ("c.png", "1")):
        outcome = cli("degrade", "photo.png", "-o", name, "--with", "noise=25", "--seed", seed)
        assert outcome.code == 0
        assert outcome.out == f"photo.png -> {name}  noise gaussian (sigma 25)  seed {seed}\n"
    assert pixels("a.png") == pixels("b.png") != pixels("c.png")
    cli("degrade", "photo.png", "-o", "d.png", "--with", "noise=25")
    assert pixels("d.png") == pixels("a.png")  # the seed is 0 unless told


def test_a_picture_and_its_record_are_not_mixed_in_one_stream(cli, photo):
    photo("photo.png")
    outcome = cli("degrade", "photo.png", "-o", "-", "--with", "noise=25", "--json")
    assert outcome.is_one_error() and "--json and the picture both want standard output" in outcome.err


def test_each_degradation_is_the_same_with_and_without_others_beside_it(cli, photo):
    photo("photo.png")
    cli("degrade", "photo.png", "-o", "a.png", "--with", "noise=25")
    cli("degrade", "photo.png", "-o", "b.png", "--with", "noise=25", "--with", "blur=0", "--with", "rain=0")
    assert pixels("a.png") == pixels("b.png")


def test_degradations_are_applied_in_physical_order_whatever_the_order_given(cli, photo):
    photo("photo.png")
    wishes = ["jpeg=30:4:4:4", "noise=10:grey", "blur=1.6:motion", "rain=18", "lowres=2:area"]
    first = cli("degrade", "photo.png", "-o", "a.png", *(x for w in wishes for x in ("--with", w)), "--json")
    cli("degrade", "photo.png", "-o", "b.png", *(x for w in reversed(wishes) for x in ("--with", w)))
    record = json.loads(first.out)
    applied = [(d["name"], d["kind"]) for d in record["degradations"]]
    assert applied == [
        ("rain", "streaks"),
        ("blur", "motion"),
        ("lowres", "area"),
        ("noise", "grey"),
        ("jpeg", "4:4:4"),
    ]
    assert (record["size"], record["seed"]) == ([20, 14], 0)
    assert pixels("a.png") == pixels("b.png")


@pytest.mark.parametrize(
    ("wish", "remedy"),
    [
        ("jpeg=0", "quality 100 (none) to 5"),
        ("jpeg=101", "quality 100 (none) to 5"),
        ("noise=-1", "sigma 0 (none) to 75"),
        ("noise=inf", "sigma 0 (none) to 75"),
        ("noise=nan", "sigma 0 (none) to 75"),
        ("lowres=0.5", "factor 1 (none) to 4"),
        ("noise", "noise=25"),
        ("noise=", "noise=25"),
        ("=5", "there are blur, jpeg, lowres, noise, rain"),
        ("fog=5", "there are blur, jpeg, lowres, noise, rain"),
        ("blur=1:soft", "gaussian, anisotropic, motion, defocus"),
        ("blur=1:", "gaussian, anisotropic, motion, defocus"),
    ],
)
def test_a_bad_wish_is_one_line_that_names_what_there_is(cli, photo, wish, remedy):
    photo("photo.png")
    outcome = cli("degrade", "photo.png", "-o", "out.png", "--with", wish)
    assert outcome.is_one_error() and remedy in outcome.err, outcome
    assert not Path("out.png").exists()


def test_a_severity_that_a_degradation_itself_refuses_is_one_line(cli, photo, monkeypatch):
    from restorekit_deblur.blur import Blur

    def draw(*_, **__):
        raise ValueError("the kernel is too large")

    photo("photo.png")
    monkeypatch.setattr(Blur, "draw", draw)
    outcome = cli("degrade", "photo.png", "-o", "out.png", "--with", "blur=3")
    assert outcome.is_one_error() and "the kernel is too large" in outcome.err


def test_the_picture_itself_and_files_that_exist_are_not_written_over(cli, photo):
    photo("photo.png")
    photo("taken.png")
    assert cli("degrade", "photo.png", "-o", "photo.png", "--with", "noise=5", "--overwrite").is_one_error()
    assert cli("degrade", "photo.png", "-o", "taken.png", "--with", "noise=5").is_one_error()
    assert cli("degrade", "photo.png", "-o", "taken.png", "--with", "noise=5", "--overwrite").code == 0


def test_a_plugin_that_makes_no_picture_is_named_and_nothing_is_written(cli, photo, monkeypatch):
    from restorekit_denoise.noise import Noise

    photo("photo.png")
    for wrong in (lambda image: None, lambda image: image * float("nan"), lambda image: image[:, :1]):
        monkeypatch.setattr(Noise, "apply", lambda self, image, realisation, wrong=wrong: wrong(image))
        outcome = cli("degrade", "photo.png", "-o", "out.png", "--with", "noise=25")
        assert outcome.is_one_error()
        assert "'noise' of restorekit_denoise" in outcome.err
        assert not Path("out.png").exists()
