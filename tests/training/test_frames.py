"""Laws of frames: some patches get a part that nothing was done to, which is to stay as it is."""

from dataclasses import replace

import torch
from torch import Generator

from restorekit.training.backbone import BackboneTraining
from restorekit.training.frames import framed
from restorekit.training.pairs import PairMaker
from tests.scene import scene
from tests.training.recipes import CATALOG, TINY, degradations

CLEAN = scene(40, 56).clamp(0, 1).expand(96, -1, -1, -1).contiguous()
NOISY = (CLEAN + 0.2 * torch.randn(CLEAN.shape, generator=Generator().manual_seed(2))).clamp(0, 1)
WANTED = 0.5 + 0.5 * CLEAN


def laid(share=1.0, seed=0):
    return framed(NOISY, WANTED, CLEAN, share, Generator().manual_seed(seed))


def marked(share=1.0):
    """Where the pictures are no longer what they were, (B, H, W)."""
    degraded, target = laid(share)
    return ((degraded != NOISY) | (target != WANTED)).any(1)


def test_what_is_laid_over_is_the_same_with_and_without_the_degradation_and_the_rest_is_untouched():
    degraded, target = laid()
    marks = marked()[:, None].expand_as(CLEAN)
    assert torch.equal(degraded[marks], target[marks])
    assert torch.equal(degraded[~marks], NOISY[~marks]) and torch.equal(target[~marks], WANTED[~marks])
    assert degraded.min() >= 0 and degraded.max() <= 1
    for mine, its in zip(laid(), (degraded, target), strict=True):
        assert torch.equal(mine, its)


def test_frames_lie_at_edges_and_leave_some_of_the_photograph_and_captions_lie_within():
    marks = marked().float()
    parts = marks.mean((1, 2))
    assert 0.6 < float((parts > 0).float().mean()) < 0.95  # the rest are cut nowhere
    some = marks[(parts > 0) & (parts < 1)]
    rim = torch.cat([some[:, 0], some[:, -1], some[:, :, 0], some[:, :, -1]], 1)
    assert bool((rim.max(1).values > 0).any()) and bool((rim.mean(1) < 1).any())
    assert len(some) > 60 and float(parts.std()) > 0.1


def test_the_share_of_patches_is_as_asked_and_none_means_none():
    changed = (marked(0.5).float().mean((1, 2)) > 0).float().mean()
    whole = (marked(1.0).float().mean((1, 2)) > 0).float().mean()
    assert abs(float(changed / whole) - 0.5) < 0.15
    assert not marked(0.0).any()


def test_colours_are_black_white_grey_any_and_photographs():
    degraded, _ = laid()
    marks, kinds = marked(), set()
    for picture, mark in zip(degraded, marks, strict=True):
        if not mark.any():
            continue
        values = picture[:, mark]
        if float((values - values[:, :1]).abs().max()) > 0:
            kinds.add("photograph")
        elif float(values.max()) == 0:
            kinds.add("black")
        elif float(values.min()) == 1:
            kinds.add("white")
        else:
            kinds.add("grey" if float(values.std()) < 1e-6 else "colour")
    assert kinds == {"photograph", "black", "white", "grey", "colour"}


def test_a_run_names_the_share_and_groups_without_it_are_drawn_as_before(photos):
    assert BackboneTraining(replace(TINY, frames=0.25), degradations(), photos).pairs.frames == 0.25
    maker = PairMaker((CATALOG.degradation("noise"),), (1.0,), sets=(("noise:gaussian", 1.0),))
    plain, with_frames = (
        replace(maker, frames=share).group(CLEAN, Generator().manual_seed(1), selective=False)
        for share in (0.0, 1.0)
    )
    assert torch.equal(plain.target, CLEAN) and not torch.equal(with_frames.target, CLEAN)
    same = (with_frames.degraded == with_frames.target).all(1).float().mean((1, 2))
    assert float((same > 0.05).float().mean()) > 0.6 > float((same > 0.9).float().mean())
