"""Laws of pictures as cameras make them: what is flat comes back, and noise is all that is to be removed."""

import sys
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.composition import Compose
from restorekit.training.backbone import BackboneTraining
from restorekit.training.pairs import PairMaker
from restorekit.training.shots import MEDIANS, Shooting, shot_pair
from tests.scene import scene
from tests.training.recipes import CATALOG, TINY, degradations

NAMES = ("noise", "jpeg", "blur", "lowres")
SHOT = PairMaker(tuple(CATALOG.degradation(n) for n in NAMES), (1.0,) * 4, sets=(("noise", 1.0),), shots=1.0)
CLEAN = scene(48, 56).clamp(0, 1).expand(8, -1, -1, -1).contiguous()


def cameras(count):
    generator = Generator().manual_seed(1)
    return [Shooting.draw(generator) for _ in range(count)]


def drawn(maker, seed=0, **words):
    return maker.group(CLEAN, Generator().manual_seed(seed), **{"selective": False, **words})


def test_a_picture_of_one_colour_comes_back_as_it_was():
    colour = torch.tensor([0.3, 0.5, 0.6]).view(1, 3, 1, 1).expand(1, 3, 24, 20)
    for camera in cameras(30):
        clean, again = camera.shoot(colour, Generator().manual_seed(0), noisy=False)
        assert torch.equal(clean, again)
        assert torch.allclose(clean, colour, atol=2e-4)


def test_the_same_camera_and_noise_make_the_same_pictures_within_the_range():
    for camera in cameras(8):
        one, other = (camera.shoot(CLEAN[:1], Generator().manual_seed(3), noisy=True) for _ in range(2))
        for mine, its in zip(one, other, strict=True):
            assert torch.equal(mine, its) and mine.shape == CLEAN[:1].shape
            assert mine.min() >= 0 and mine.max() <= 1


def test_a_machine_without_kornia_shoots_as_kornia_would_smooth(monkeypatch):
    from kornia.filters import median_blur

    colour = CLEAN[:2] - 0.5
    camera = next(camera for camera in cameras(30) if camera.dice[9] < MEDIANS)
    assert torch.equal(camera.smoothed(colour), median_blur(colour, (3, 3)))
    monkeypatch.setitem(sys.modules, "kornia", None)
    monkeypatch.setitem(sys.modules, "kornia.filters", None)
    assert torch.equal(camera.smoothed(colour), camera.smoothed(colour))


def test_noise_is_all_that_differs_and_falls_with_the_electrons():
    for camera in cameras(8):
        errors = []
        for electrons in (0.0, 0.5, 1.0):
            mine = replace(camera, dice=[electrons, *camera.dice[1:]])
            clean, noisy = mine.shoot(CLEAN, Generator().manual_seed(3), noisy=True)
            assert abs(float((noisy - clean).mean())) < 0.02
            errors.append(float((noisy - clean).square().mean()))
        assert errors[0] > 2 * errors[1] > 4 * errors[2] > 0


def test_a_wider_blur_of_the_lens_leaves_edges_less_sharp():
    for camera in cameras(8):
        dice = list(camera.dice)
        steps = []
        for blurred, width in ((1.0, 0.0), (0.0, 0.5), (0.0, 1.0)):
            dice[6], dice[14] = blurred, width
            picture = replace(camera, dice=tuple(dice)).shoot(CLEAN[:1], Generator(), noisy=False)[0]
            steps.append(float(picture.diff(dim=3).square().mean()))
        assert steps[0] > steps[1] > steps[2] > 0


def test_the_target_of_what_is_shot_is_the_shot_without_noise():
    group = drawn(SHOT)
    error = (group.target - CLEAN).square().mean((1, 2, 3))
    assert bool((error > 1e-5).all()) and torch.equal(group.weights, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert (group.degraded - group.target).square().mean() < (group.degraded - CLEAN).square().mean()
    assert len({round(float(e), 7) for e in error}) >= 4  # by as many cameras


def photographed(names, removed, seed=4):
    """What is seen and what is wanted of patches that got the named degradations, by the same cameras."""
    drawn = Compose.draw([CATALOG.degradation(n) for n in names], CLEAN.shape, Generator().manual_seed(seed))
    return shot_pair(drawn, removed, CLEAN, *(Generator().manual_seed(seed) for _ in range(2)))


@pytest.mark.parametrize("beside", ["jpeg", "blur", "rain"])
def test_of_two_degradations_the_one_that_is_kept_stays_as_it_was(beside):
    names = ("noise", beside)
    (seen, clean), (same, only_noise), (again, only_other) = (
        photographed(names, removed) for removed in (names, ("noise",), (beside,))
    )
    assert torch.equal(seen, same) and torch.equal(seen, again)
    noise, other = (only_other - clean).square().mean(), (only_noise - clean).square().mean()
    assert noise > 1e-4 and other > 1e-5
    both = (seen - clean).square().mean()
    assert both > 0.7 * max(noise, other)
    if beside != "jpeg":
        assert (only_other - clean - (seen - only_noise)).abs().quantile(0.9) < 0.01  # the very noise that is seen


def test_what_only_the_file_did_is_taken_from_the_very_picture_that_had_the_noise():
    noisy = photographed(("noise",), ("noise",))[0]
    assert torch.equal(photographed(("noise", "jpeg"), ("jpeg",))[1], noisy)


def test_groups_of_cameras_want_what_their_weights_say():
    alone = drawn(replace(SHOT, sets=(("jpeg/noise", 1.0),)), selective=True)
    both = drawn(replace(SHOT, sets=(("jpeg+noise", 1.0),)))
    assert alone.mixture == (0.0, 1.0, 0.0, 0.0) and both.mixture == (1.0, 1.0, 0.0, 0.0)
    assert torch.equal(alone.degraded, both.degraded) and not torch.equal(both.target, alone.target)


@pytest.mark.parametrize("text", ["blur", "noise+lowres", "noise:gaussian", "noise:gaussian+blur", "jpeg"])
def test_what_is_no_noise_of_any_kind_or_has_more_beside_it_is_not_shot(text):
    maker = replace(SHOT, sets=((text, 1.0),), shots_beside=1.0)
    assert torch.equal(drawn(maker).target, CLEAN)
    assert torch.equal(drawn(maker).degraded, drawn(replace(maker, shots=0.0, shots_beside=0.0)).degraded)


def test_what_has_blur_or_rain_beside_it_is_shot_by_a_share_of_its_own():
    maker = replace(SHOT, sets=(("noise+blur", 1.0),))
    assert torch.equal(drawn(maker).target, CLEAN)
    assert not torch.equal(drawn(replace(maker, shots=0.0, shots_beside=1.0)).target, CLEAN)
    assert torch.equal(drawn(replace(SHOT, shots=0.0, shots_beside=1.0)).target, CLEAN)


def test_a_run_names_the_share_that_cameras_make(photos):
    training = BackboneTraining(replace(TINY, shots=0.25, shots_beside=0.5), degradations(), photos)
    assert (training.pairs.shots, training.pairs.shots_beside) == (0.25, 0.5)
