"""Laws of Winograd's way: the same convolutions, faster, and only where it was asked for."""

import threading

import pytest
import torch
import torch.nn.functional as F

from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.winograd import Convolution, available, convolve, memory_order, winograd
from restorekit.running import device
from restorekit.running.restorer import Restorer

pytestmark = pytest.mark.skipif(not available(), reason="this PyTorch has no NNPACK")
PLAIN = torch.contiguous_format


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("inside", "outside"), [(24, 64), (5, 12), (1, 1)])
@pytest.mark.parametrize("size", [(64, 64), (1, 1), (3, 200), (37, 5)])
@pytest.mark.parametrize("padding", [(1, 1), (0, 1)])
def test_it_gives_what_the_plain_way_gives(count, inside, outside, size, padding):
    if padding[0] == 0 and size[0] < 3:
        return
    x, weight, bias = drawn(count, inside, *size), drawn(outside, inside, 3, 3, seed=1), drawn(outside, seed=2)
    plain = F.conv2d(x, weight, bias, padding=padding)
    with torch.no_grad(), winograd():
        found = convolve(x, weight, bias, padding=padding)
        assert torch.equal(found, convolve(x, weight, bias, padding=padding))  # the same each time
        assert not torch.equal(convolve(x, torch.zeros_like(weight), None, padding=padding), found)
        assert not convolve(x, torch.zeros_like(weight), None, padding=padding).any()  # zero to the bit
    assert found.shape == plain.shape
    assert float((found - plain).abs().max()) < 1e-4 * float(plain.abs().max())


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (1, 1), (7, 30)])
def test_pictures_in_one_batch_are_convolved_as_each_alone(size):
    x, weight, bias = drawn(4, 8, *size), drawn(6, 8, 3, 3, seed=1), drawn(6, seed=2)
    with torch.no_grad(), winograd():
        together = convolve(x, weight, bias, padding=(1, 1))
        apart = torch.cat([convolve(one, weight, bias, padding=(1, 1)) for one in x.split(1)])
    assert together.is_contiguous() and float((together - apart).abs().max()) < 1e-4 * float(apart.abs().max())


def test_what_it_cannot_do_goes_the_plain_way():
    x = drawn(1, 4, 16, 16)
    for weight, stride in ((drawn(4, 4, 2, 2), (2, 2)), (drawn(4, 4, 1, 1), (1, 1)), (drawn(4, 4, 3, 3), (2, 2))):
        with torch.no_grad(), winograd():
            assert torch.equal(convolve(x, weight, None, stride), F.conv2d(x, weight, None, stride))
    with torch.no_grad(), winograd(), torch.autocast("cpu", torch.bfloat16):
        half, weight = x.bfloat16(), drawn(4, 4, 3, 3)
        assert torch.equal(convolve(half, weight, None), F.conv2d(half, weight, None))


def test_gradients_are_those_of_the_plain_way():
    layer = Convolution(3, 4, 3, padding=1)
    x = drawn(2, 3, 8, 8)
    with winograd():
        layer(x).square().sum().backward()
    found, layer.weight.grad = layer.weight.grad, None
    layer(x).square().sum().backward()
    assert torch.equal(found, layer.weight.grad)


def test_it_is_this_threads_and_ends_with_the_block():
    seen = []
    assert memory_order() is torch.channels_last
    with winograd():
        assert memory_order() is PLAIN
        other = threading.Thread(target=lambda: seen.append(memory_order()))
        other.start(), other.join()
        with winograd(False):
            assert memory_order() is torch.channels_last
        with pytest.raises(ZeroDivisionError), winograd():
            raise ZeroDivisionError
        assert memory_order() is PLAIN
    assert memory_order() is torch.channels_last and seen == [torch.channels_last]


def test_the_embedded_backbone_without_a_basis_is_the_input_to_the_bit():
    network = FlowUnet.of_shape(FlowUnetConfig((8, 12), (1, 1), 8)).to(memory_format=PLAIN)
    x = torch.rand(1, 3, 32, 48)
    with torch.no_grad(), winograd():
        assert torch.equal(network(x, torch.ones(1), x, network.describe(x)), x)


def test_pictures_restored_so_are_those_of_the_plain_way_whole_and_in_strips(monkeypatch):
    results = []
    monkeypatch.setattr(device, "bf16_pays", lambda gradients: False)
    for pays in (False, True):
        monkeypatch.setattr(device, "winograd_pays", lambda pays=pays: pays)
        restorer = Restorer.from_pretrained(device="cpu")
        assert restorer.passing.winograd is pays
        image = torch.rand(1, 3, 96, 360, generator=torch.Generator().manual_seed(1))
        for tile in (None, 64):
            options = {} if tile is None else {"tile": tile}
            results.append(restorer.restore(image, weights={"noise": 1.0}, blind=False, **options).image)
        assert torch.equal(restorer.restore(image, weights={}, blind=False).image, image)
    for result in results[1:]:
        assert float((result - results[0]).abs().max()) < 1e-4


def test_the_encoder_sees_by_that_way_what_it_sees_by_the_plain_one(monkeypatch):
    monkeypatch.setattr(device, "bf16_pays", lambda gradients: False)
    ways, found = [], []
    for pays in (False, True):
        monkeypatch.setattr(device, "winograd_pays", lambda pays=pays: pays)
        restorer = Restorer.from_pretrained(device="cpu")
        restorer.blind.encoder.stem.register_forward_pre_hook(lambda *_: ways.append(memory_order()))
        image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.4
        found.append(restorer.blind.weigh(image))
    assert ways[0] is torch.channels_last and ways[-1] is PLAIN
    for name, weight in found[0].weights.values.items():
        assert found[1].weights[name] == pytest.approx(weight, abs=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_by_name_goes_the_plain_way_which_is_the_same_on_all_machines(monkeypatch, precision):
    monkeypatch.setattr(device, "winograd_pays", lambda: True)
    assert not Restorer.from_pretrained(device="cpu", precision=precision).passing.winograd
