"""Laws of pictures that a plugin prepared, and their originals: they lie on one another, and come again."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.training import prepared_pairs
from restorekit.training.photos import Photos
from restorekit.training.prepared_pairs import MARGIN, REACH, SIDE, drawn, main, moved
from tests.training.recipes import CATALOG

BLUR = CATALOG.degradation("blur")
PHOTO = (F.interpolate(torch.rand(1, 3, 40, 40, generator=Generator().manual_seed(3)), SIDE + 40)[0] * 255).byte()
PHOTOS = Photos((PHOTO,), (PHOTO,), (PHOTO,))


def shifted(image, progress):
    return (image + 0.3 * (image - F.avg_pool2d(image, 5, 1, 2))).roll((2, -1), (2, 3))


def spoilt(image, progress):
    return torch.zeros_like(image)


def nothing(image, progress):
    return None


@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-REACH, REACH)])
def test_a_picture_is_found_where_it_lies(shift):
    clean = torch.rand(1, 3, 90, 110)
    part, error, *found = moved(clean, clean.roll(shift, (2, 3)))
    assert tuple(found) == shift and error == 0
    assert part.shape[2:] == (90 - 2 * MARGIN, 110 - 2 * MARGIN)


def test_prepared_pictures_lie_on_their_originals_and_come_again():
    first, again = (drawn(BLUR, f"{__name__}:shifted", PHOTOS, Generator().manual_seed(5)) for _ in range(2))
    assert first is not None and again is not None
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert float((first[0] - first[1]).square().mean()) < float((first[0].roll(2, 2) - first[1]).square().mean())


@pytest.mark.parametrize("name", ["spoilt", "nothing"])
def test_what_did_no_good_is_left_out(name):
    assert drawn(BLUR, f"{__name__}:{name}", PHOTOS, Generator().manual_seed(5)) is None


def test_the_command_goes_on_where_it_was(tmp_path, monkeypatch):
    made = []

    def one(degradation, place, photos, generator):
        made.append(generator.initial_seed())
        return None if made[-1] == 1 else (torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4))

    monkeypatch.setattr(prepared_pairs, "drawn", one)
    monkeypatch.setattr(Photos, "load", lambda *_: None)
    for count in ("2", "3"):
        words = ["pairs", "blur", "a:b", str(tmp_path), "-o", str(tmp_path / "out"), "--count", count]
        monkeypatch.setattr("sys.argv", words)
        main()
    assert made == [0, 1, 1, 2]  # the second is tried again: nothing says that it was none
    assert sorted(p.name for p in (tmp_path / "out" / "input").iterdir()) == ["000000.png", "000002.png"]
