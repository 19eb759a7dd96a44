"""Laws of what trainings draw: patches, pairs, labels."""

import pytest
import torch
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.training.labelled_pictures import PictureMaker
from restorekit.training.pairs import PairMaker, typical, validation_rows
from restorekit.training.photos import random_patches
from restorekit.training.visibility import visibility
from tests.training.recipes import CATALOG, NAMES


@pytest.fixture(scope="module")
def degradations():
    return tuple(CATALOG.degradations[n] for n in NAMES)


def test_patches_are_within_the_range_and_repeat_with_the_seed(photos):
    first, again = (random_patches(photos.training, 6, 48, Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == (6, 3, 48, 48)
    assert torch.equal(first, again)
    assert float(first.min()) >= 0 and float(first.max()) <= 1


def test_validation_photographs_are_not_trained_on(photos):
    train = {p.numpy().tobytes() for p in photos.training}
    assert photos.validation
    assert not any(p.numpy().tobytes() in train for p in (*photos.validation, *photos.calibration))


def test_calibration_sees_the_held_out_photographs_at_every_size_that_training_sees(photos):
    sizes = [{tuple(p.shape) for p in several} for several in (photos.training, photos.calibration)]
    assert sizes[0] == sizes[1]
    assert len(sizes[0]) > 1


def test_a_selective_target_lacks_what_was_to_go_and_keeps_the_rest(degradations):
    maker = PairMaker(degradations, (1, 1, 1))
    clean = torch.rand(2, 3, 32, 32)
    kinds = set()
    for seed in range(60):
        group = maker.group(clean, Generator().manual_seed(seed), selective=True)
        removed = {n for n, w in zip(NAMES, group.weights.tolist(), strict=True) if w > 0}
        present = set(group.present)
        if present and present <= removed and set(group.weights.tolist()) <= {0.0, 1.0}:
            assert torch.equal(group.target, clean)
            kinds.add("all")
        elif not present:
            assert torch.equal(group.target, clean)
            kinds.add("clean")
        elif present - removed:
            assert not torch.equal(group.target, clean)
            kinds.add("some")
    assert kinds == {"all", "clean", "some"}


def test_the_warm_up_has_no_selective_targets(degradations):
    maker = PairMaker(degradations, (1, 1, 1))
    clean = torch.rand(2, 3, 32, 32)
    for seed in range(20):
        assert torch.equal(maker.group(clean, Generator().manual_seed(seed), selective=False).target, clean)


def test_a_named_set_comes_in_its_share_of_all_draws(degradations):
    maker = PairMaker(degradations, (1, 1, 1), sets=(("rain+noise", 0.5),))
    generator = Generator().manual_seed(0)
    drawn = [maker.draw_set(generator).chosen for _ in range(400)]
    named = [d for d in drawn if sorted(d) == [0, 2]]
    assert 0.45 < len(named) / len(drawn) < 0.68  # half, and some by chance
    assert {tuple(d) for d in named} == {(0, 2), (2, 0)}


def test_a_set_with_a_bar_has_only_what_is_before_it_removed(degradations):
    maker = PairMaker(degradations, (1, 1, 1), sets=(("rain/noise", 1.0),))
    clean = torch.rand(2, 3, 32, 32)
    for seed in range(20):
        group = maker.group(clean, Generator().manual_seed(seed), selective=True)
        assert not torch.equal(group.target, clean)
        assert set(group.present) == {"rain", "noise"}
        assert group.weights[NAMES.index("rain")] > 0 == group.weights[NAMES.index("noise")]


def test_a_set_may_name_the_kind_of_what_it_has():
    noise, jpeg = CATALOG.degradation("noise"), CATALOG.degradation("jpeg")
    named = PairMaker((noise, jpeg), (1, 1), sets=(("noise:grey+jpeg", 1.0),))
    group = named.group(torch.full((4, 3, 32, 32), 0.5), Generator().manual_seed(0), selective=False)
    grey = PairMaker((noise,), (1,), sets=(("noise:grey", 1.0),))
    alone = grey.group(torch.full((4, 3, 32, 32), 0.5), Generator().manual_seed(0), selective=False)
    assert set(group.present) == {"noise", "jpeg"}
    change = alone.degraded - 0.5
    assert torch.allclose(change[:, 0], change[:, 1]) and change.std() > 0
    with pytest.raises(TrainingError, match="noise has no kind 'gray'; sets can name gaussian, grey"):
        PairMaker((noise,), (1,), sets=(("noise:gray", 1.0),))


def test_every_pair_is_validated_as_it_is_typically_and_when_it_is_milder(degradations):
    rows = validation_rows(degradations)
    for i, a in enumerate(degradations):
        for b in degradations[i + 1 :]:
            assert rows[f"{a.name}+{b.name}"] == typical([a, b])
            milder = rows[f"{a.name}+{b.name} mild"]
            for d in (a, b):
                assert 0 < d.severity.fraction(milder[d.name]) < d.severity.fraction(d.severity.typical)


def test_what_papers_keep_as_an_array_comes_mostly_unbounded_all_else_mostly_as_a_file(degradations):
    def share_of_files(name):
        maker = PairMaker(tuple(d for d in degradations if d.name == name), (1,), sizes=(0.0, 1.0))
        clean = torch.rand(4, 3, 16, 16, generator=Generator().manual_seed(1))
        groups = [maker.group(clean, Generator().manual_seed(seed), selective=False) for seed in range(40)]
        pictures = 255 * torch.cat([g.degraded for g in groups])
        return float(((pictures - pictures.round()).abs().amax((1, 2, 3)) < 1e-3).float().mean())

    assert share_of_files("noise") < 0.5 < 0.7 < share_of_files("blur")


@pytest.mark.parametrize(("names", "some"), [(("noise",), True), (("blur",), False)])
def test_photographs_that_are_soft_and_stay_so_have_nothing_but_noise_or_jpeg_to_remove(
    photos, monkeypatch, names, some
):
    drawn = []
    monkeypatch.setattr(
        "restorekit.training.labelled_pictures.softened", lambda images, factor: drawn.append(factor) or images
    )
    pairs = PairMaker(tuple(CATALOG.degradations[n] for n in names), (1,), sizes=(0.0, 1.0))
    for seed in range(30):
        PictureMaker(pairs, photos.training).draw(1, 64, Generator().manual_seed(seed))
    assert bool(drawn) == some and len(drawn) < 30
    assert all(factor >= 1 for factor in drawn)


def test_what_the_others_hide_need_not_be_found():
    """Mean squares by cell: a strong change, one as strong, one 1/100 as strong, none."""
    cells = torch.rand(2, 1, 6, 6, generator=Generator().manual_seed(0)) + 0.5
    alone, equal, faint, none = (torch.tensor([1.0, f]).view(1, 2, 1, 1) * cells for f in (0.0, 1.0, 0.01, 0.0))
    assert (visibility(1e-3 * alone)[:, 0] > 0.99).all() and (visibility(1e-3 * none)[:, 1] == 0).all()
    assert (visibility(1e-3 * equal) > 0.9).all()
    seen = visibility(1e-3 * faint)
    assert (seen[:, 0] > 0.99).all() and (seen[:, 1] < 0.3).all()


def test_a_streak_that_shows_in_one_corner_is_seen():
    evidence = torch.full((1, 2, 10, 10), 1e-3)
    evidence[:, 1] = 0
    evidence[:, 1, :4, :4] = 1e-2
    assert float(visibility(evidence)[0, 1]) > 0.9


def test_three_drops_on_a_dry_picture_are_seen():
    evidence = torch.zeros(1, 2, 20, 20)
    evidence[:, 1, (3, 8, 15), (2, 17, 9)] = 1e-2
    assert float(visibility(evidence)[0, 1]) > 0.9
