"""Laws of tiling: the pieces give what the whole gives, for every size."""

import pytest
import torch
from torch import Tensor, nn

from restorekit.errors import ImageError
from restorekit.running.tiling import apply_tiled, tile_boxes

RADIUS = 8  # of Net, in pixels: leave 1, up 1, two at half size 2 * 2, down 1, enter 1


class Net(nn.Module):
    """Zero-padded convolutions around a stage at half size, with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.middle = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1))
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.leave = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        entered = torch.tanh(self.enter(x))
        middle = self.middle(torch.tanh(self.down(entered)))
        out: Tensor = self.leave(self.up(middle) + entered)
        return out


@pytest.fixture(scope="module")
def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net().eval().requires_grad_(False)


def random_image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(64, 64), (63, 83), (33, 21), (18, 70)])
@pytest.mark.parametrize("tile", [20, 31, 48])
def test_tiled_equals_untiled_when_the_halo_covers_the_radius(net: Net, size: tuple[int, int], tile: int) -> None:
    image = random_image(2, 3, *size)
    whole = apply_tiled(net, image, tile=1000, halo=RADIUS, multiple=2)
    tiled = apply_tiled(net, image, tile=tile, halo=RADIUS, multiple=2)
    assert tiled.shape == image.shape
    assert (tiled - whole).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_untiled_is_the_function_itself_on_the_grid(net: Net, size: tuple[int, int]) -> None:
    image = random_image(1, 3, *size)
    assert torch.equal(apply_tiled(net, image, tile=80, halo=RADIUS, multiple=2), net(image))


def test_a_halo_below_the_radius_shows(net: Net) -> None:
    """Else the equality above would prove nothing."""
    image = random_image(1, 3, 64, 64)
    tiled = apply_tiled(net, image, tile=24, halo=2, multiple=2)
    assert (tiled - net(image)).abs().max() > 1e-4


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 8), (8, 8), (9, 17)])
@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_every_size_comes_back_as_it_was(size: tuple[int, int], multiple: int) -> None:
    image = random_image(1, 3, *size)

    def identity(x: Tensor) -> Tensor:
        assert x.shape[2] % multiple == 0 and x.shape[3] % multiple == 0
        return x.clone()

    assert torch.equal(apply_tiled(identity, image, tile=24, halo=4, multiple=multiple), image)


def test_padding_reflects_on_the_right_and_at_the_bottom() -> None:
    seen: list[Tensor] = []

    def spy(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    image = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    apply_tiled(spy, image, tile=16, halo=0, multiple=4)
    assert seen[0][0, 0].tolist() == [[0, 1, 2, 3, 4, 3, 2, 1]] * 4  # one row cannot be reflected: repeated


@pytest.mark.parametrize("multiple", [1, 2, 8])
@pytest.mark.parametrize(("tile", "halo"), [(24, 0), (24, 3), (40, 8), (40, 13), (61, 13)])
def test_cores_cover_every_pixel_once_a_halo_away_from_inner_edges(tile: int, halo: int, multiple: int) -> None:
    for height, width in [(multiple, 200), (104, 64), (160, 8 * multiple)]:
        covered = torch.zeros(height, width, dtype=torch.int)
        boxes = tile_boxes(height, width, tile, halo, multiple)
        for box in boxes:
            covered[box.top : box.bottom, box.left : box.right] += 1
            assert all(side % multiple == 0 for side in (box.y0, box.y1, box.x0, box.x1))
            assert 0 <= box.y0 < box.y1 <= height and 0 <= box.x0 < box.x1 <= width
            assert max(box.y1 - box.y0, box.x1 - box.x0) <= tile
            assert box.top - box.y0 >= halo or box.y0 == box.top == 0
            assert box.left - box.x0 >= halo or box.x0 == box.left == 0
            assert box.y1 - box.bottom >= halo or box.y1 == box.bottom == height
            assert box.x1 - box.right >= halo or box.x1 == box.right == width
        assert (covered == 1).all()
        assert len({(box.y1 - box.y0, box.x1 - box.x0) for box in boxes}) == 1  # none is tiny


def test_an_image_no_larger_than_a_tile_takes_one_call() -> None:
    calls: list[tuple[int, int]] = []
    image = random_image(1, 3, 40, 31)
    apply_tiled(lambda x: x, image, tile=40, halo=4, multiple=8, progress=lambda *n: calls.append(n))
    assert calls == [(1, 1)]


def test_progress_counts_every_tile() -> None:
    calls: list[tuple[int, int]] = []
    image = random_image(1, 3, 64, 96)
    apply_tiled(lambda x: x, image, tile=32, halo=8, multiple=8, progress=lambda *n: calls.append(n))
    assert calls == [(i, 15) for i in range(1, 16)]


@pytest.mark.parametrize(
    ("tile", "halo", "multiple", "smallest"), [(20, 10, 1, 21), (32, 16, 8, 40), (27, 9, 8, 32)]
)
def test_a_tile_without_room_for_its_halo_is_refused_with_the_smallest(
    tile: int, halo: int, multiple: int, smallest: int
) -> None:
    with pytest.raises(ImageError, match=f"at least {smallest}$"):
        tile_boxes(64, 64, tile, halo, multiple)
    assert tile_boxes(64, 64, smallest, halo, multiple)


def test_a_size_off_the_grid_is_refused() -> None:
    with pytest.raises(ImageError, match="multiples of 8"):
        tile_boxes(60, 64, 32, 4, 8)


def test_a_function_that_changes_the_shape_is_refused() -> None:
    with pytest.raises(ImageError, match="keeps the shape"):
        apply_tiled(lambda x: x[..., ::2], random_image(1, 3, 16, 16), tile=16, halo=2, multiple=2)


def test_the_result_has_the_type_of_the_output() -> None:
    image = random_image(1, 3, 40, 40)
    assert apply_tiled(Tensor.double, image, tile=24, halo=4, multiple=8).dtype is torch.float64


def test_gradients_pass_through_tiles() -> None:
    image = random_image(1, 3, 30, 30).requires_grad_()
    apply_tiled(lambda x: 2 * x, image, tile=16, halo=2, multiple=4).sum().backward()
    assert image.grad is not None and torch.equal(image.grad, torch.full_like(image, 2.0))
