"""Laws of streaming: rows that go in come out as one call on the whole image would have made them."""

import pytest
import torch

from restorekit.errors import ImageError
from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.context import CONTEXT
from restorekit.model.flow import sample
from restorekit.model.streaming import SampledRows, Waiting
from restorekit.running.tiling import apply_in_strips, apply_tiled

SHAPES = [FlowUnetConfig((8, 16), (1, 1), 16), FlowUnetConfig((8, 12, 16), (1, 2, 1), 16)]
ONE = torch.ones(1, dtype=torch.float64)
CONTEXTS = torch.linspace(0, 1, CONTEXT, dtype=torch.float64)[None]


@pytest.fixture(scope="module", params=SHAPES, ids=["two levels", "three levels"])
def network(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = FlowUnet(request.param)
        for weight in (network.head.weight, network.inlet.weight):
            torch.nn.init.normal_(weight, std=0.1)
    return network.double().eval().requires_grad_(False)


def picture(height, width):
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def streamed(network, steps=1):
    return SampledRows(lambda t: network.stream(t * ONE, CONTEXTS), steps)


def whole(network, image, steps=1):
    return sample(lambda x_t, t: network(x_t, t * ONE, image, CONTEXTS), image, steps)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("rows", [8, 24, 56, 200])
@pytest.mark.parametrize("size", [(8, 16), (64, 40), (200, 8)])
def test_streamed_equals_whole_for_any_height_of_strip_and_number_of_steps(network, size, rows, steps):
    image = picture(*size)
    stream = streamed(network, steps)
    parts = [stream.push(image[:, :, top : top + rows], top + rows >= size[0]) for top in range(0, size[0], rows)]
    assert torch.allclose(torch.cat(parts, 2), whole(network, image, steps), rtol=0, atol=1e-12)


def test_a_row_comes_out_as_soon_as_nothing_below_can_reach_it(network):
    """Else the strips that wait would pile up."""
    image = picture(4 * network.facts.halo, 16)
    stream, seen = streamed(network), 0
    for top in range(0, image.shape[2] - 8, 8):
        seen += stream.push(image[:, :, top : top + 8], False).shape[2]
        assert seen >= top + 8 - network.facts.halo


def strips(network, image, steps=1, **options):
    def begin():
        stream = streamed(network, steps)
        return lambda rows, last: stream.push(rows.double(), last)

    halo, multiple = network.facts.halo, network.facts.multiple
    return apply_in_strips(begin, image, tile=network.facts.halo, halo=halo, multiple=multiple, **options)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (63, 83), (130, 33), (37, 400), (401, 7)])
def test_strips_give_what_one_call_gives_at_every_size(network, size):
    """A width of 400 takes several columns."""
    image = picture(*size)
    once = apply_tiled(
        lambda x: whole(network, x.double()),
        image,
        tile=1000,
        halo=network.facts.halo,
        multiple=network.facts.multiple,
    )
    assert torch.allclose(strips(network, image), once, rtol=0, atol=1e-12)


def test_no_strip_is_larger_than_a_tile(network):
    sizes = []

    def begin():
        def push(rows, last):
            sizes.append(rows.shape[2:])
            return rows

        return push

    tile = 3 * network.facts.halo
    image = picture(300, 1500).float()
    assert torch.equal(
        apply_in_strips(begin, image, tile=tile, halo=network.facts.halo, multiple=network.facts.multiple), image
    )
    assert max(h * w for h, w in sizes) <= tile**2 and len(sizes) > 3


def test_progress_counts_every_strip(network):
    calls = []
    strips(network, picture(80, 400), progress=lambda *n: calls.append(n))
    assert len(calls) > 4 and calls == [(i, len(calls)) for i in range(1, len(calls) + 1)]


def test_an_image_without_rows_is_refused(network):
    with pytest.raises(ImageError, match="got"):
        strips(network, picture(8, 8)[:, :, :0])


def test_rows_wait_in_order():
    waiting, rows = Waiting(), torch.arange(12.0).view(1, 1, 12, 1)
    for piece in rows.split((3, 0, 5, 4), 2):
        waiting.add(piece)
    taken = [torch.cat([rows[:, :, :0], *waiting.take(n)], 2) for n in (2, 0, 7, 3)]
    assert torch.equal(torch.cat(taken, 2), rows)
