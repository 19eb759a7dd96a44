"""Laws of the comparison of blind restoration with the right bases."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import Generator

from restorekit.model.mixing import MixingWeights
from restorekit.training.comparison import PICTURE, compare, held_out
from restorekit.training.held_out_rows import all_late, degraded_pictures, held_out_rows
from restorekit.training.pairs import PairMaker
from tests.training.recipes import CATALOG

NAMES = ("noise", "blur", "jpeg")
PAIRS = PairMaker(tuple(CATALOG.degradation(n) for n in NAMES), (1.0,) * len(NAMES))


class SeesNoise:
    """Sees noise in everything, and makes a picture darker by a tenth for each basis."""

    def restore(self, image, weights=None, blind=True, unclipped=False):
        found = {"noise": 1.0} if blind else weights
        restored = image.clamp(0, 1) * (1 - 0.1 * sum(found.values()))
        return SimpleNamespace(image=restored, weights=[MixingWeights(dict.fromkeys(NAMES, 0.0) | found)])


def test_blind_restoration_stays_behind_only_where_the_encoder_is_wrong(photos):
    rows = list(compare(SeesNoise(), PAIRS, held_out(photos.validation, 2, 1.0)))
    assert [row.severities for row in rows] == held_out_rows(PAIRS.degradations)
    for row in rows:
        wrong = len(row.severities) != 1  # one basis is as good as another here
        assert (abs(row.gap) > 1e-6) == wrong, row
        assert row.weights == {"noise": 1.0, "blur": 0.0, "jpeg": 0.0}
    assert rows[0].right == rows[0].input == pytest.approx(80)


def test_soft_photographs_are_compared_only_where_softness_is_no_fault(photos):
    rows = list(compare(SeesNoise(), PAIRS, held_out(photos.validation, 1, 1.0), soft=1.5))
    assert {} in [row.severities for row in rows]
    assert all("blur" not in row.severities for row in rows)
    assert len(rows) < len(held_out_rows(PAIRS.degradations))


def test_a_comparison_is_reproducible(photos):
    first, again = (list(compare(SeesNoise(), PAIRS, held_out(photos.validation, 2, 1.0))) for _ in range(2))
    assert first == again


def test_held_out_middles_are_reduced_and_no_larger_than_asked():
    photos = [torch.zeros(3, 600, 400, dtype=torch.uint8)] * 5
    whole, reduced = held_out(photos, 2, 1.0), held_out(photos, 9, 0.4)
    assert [p.shape for p in whole] == [(1, 3, PICTURE, PICTURE)] * 2
    assert [p.shape for p in reduced] == [(1, 3, 240, 160)] * 5


def test_only_what_is_late_is_done_to_softened_photographs():
    photo = torch.rand(1, 3, 64, 64, generator=Generator().manual_seed(0))
    for severities in ({"blur": 1.6}, {"blur": 1.6, "noise": 25.0}, {"noise": 25.0}, {}):
        (_, clean), (_, sharp) = degraded_pictures(PAIRS, severities, [photo] * 2, Generator(), [2.0, 1.0])
        assert torch.equal(sharp, photo)
        assert torch.equal(clean, photo) != all_late(PAIRS, severities)


def test_the_command_compares_kind_by_kind(folder, tiny, capsys):
    from restorekit.cli.main import run

    def lines(*more):
        with pytest.raises(SystemExit) as ended:
            run(("train", "check", str(folder), "--names", "noise,blur", "--photographs", "1", *more))
        assert not ended.value.code
        return capsys.readouterr().out.splitlines()

    records = [json.loads(line) for line in lines("--json")]
    assert [r["severities"] for r in records] == held_out_rows(PAIRS.degradations[:2])
    assert all(r["gap"] == pytest.approx(r["right"] - r["blind"]) for r in records)
    table = lines()
    assert table[-1].startswith("mean gap") and "11 kinds, 1 photographs" in table[-1]
