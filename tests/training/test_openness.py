"""Laws of the table that says how open the encoder is."""

from types import SimpleNamespace

import torch
from torch import Generator

from restorekit.training.looks import CLEAN
from restorekit.training.openness import READINGS, Pool, openness

KINDS = (CLEAN, "rain", "fog", "mist", "bands")


def pool(seed: int) -> Pool:
    """Made-up queries of two values and two statistics: fog and mist move the first alike, bands the last."""
    kinds = tuple(KINDS[i % len(KINDS)] for i in range(500))
    queries = torch.randn(500, 4, generator=Generator().manual_seed(seed))
    queries[:, 0] += torch.tensor([12.0 * (kind in ("fog", "mist")) for kind in kinds])
    queries[:, 3] += torch.tensor([12.0 * (kind == "bands") for kind in kinds])
    return Pool(queries, kinds, torch.tensor([0.0 if kind == CLEAN else 0.5 for kind in kinds]))


def test_a_kind_that_only_the_statistics_show_is_found_by_them_alone_and_kin_are_told():
    encoder = SimpleNamespace(lengths=(2, 4))
    rows = list(openness(encoder, pool(0), pool(1), ["fog", "bands"], ["fog", "mist", "bands"]))
    found = {(row.kind, row.reading): row for row in rows}
    assert set(found) == {(kind, reading) for kind in ("fog", "bands") for reading in READINGS}
    assert all(found["fog", reading].beside_all > 0.95 for reading in READINGS)
    assert found["fog", "statistics"].kin == ("mist",)
    assert found["bands", "statistics"].beside_all > 0.95
    assert all(found["bands", reading].beside_all < 0.2 for reading in ("straight", "hidden"))
