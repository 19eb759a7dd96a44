"""Laws of the embedded backbone."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from restorekit.model.backbone.flow_unet import HEAD, INLET, FlowUnet, FlowUnetConfig
from restorekit.model.context import CONTEXT, describe, reduced
from restorekit.model.lora import mergeable_layers
from restorekit.model.weights import shipped_weights
from restorekit.plugin.testing import check_backbone

SHAPES = [FlowUnetConfig((8, 16), (1, 1), 16), FlowUnetConfig((8, 12, 16), (1, 2, 1), 16)]


def with_random_head(shape):
    torch.manual_seed(0)
    network = FlowUnet(shape)
    torch.nn.init.normal_(network.head.weight, std=0.1)
    return network.double().eval()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_embedded_backbone_keeps_the_laws_of_every_backbone(shape):
    check_backbone(FlowUnet(shape)).require()


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_beyond_the_halo_reaches_a_pixel(shape):
    network = with_random_head(shape)
    halo = network.facts.halo
    size = 4 * halo
    image = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    context = torch.zeros(1, CONTEXT, dtype=torch.float64)
    network(image, torch.ones(1, dtype=torch.float64), image, context)[0, :, size // 2, size // 2].sum().backward()
    touched = image.grad.abs().sum((0, 1)).nonzero()
    reach = (touched - size // 2).abs().max()
    assert halo - 3 * network.facts.multiple <= int(reach) <= halo


@pytest.mark.parametrize("shape", SHAPES)
def test_time_changes_the_prediction_and_context_only_through_a_basis(shape):
    network = with_random_head(shape)
    image = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    none, some = (f(1, CONTEXT, dtype=torch.float64) for f in (torch.zeros, torch.rand))
    one, half = torch.ones(1, dtype=torch.float64), torch.full((1,), 0.5, dtype=torch.float64)
    assert not torch.equal(network(image, one, image, none), network(image, half, image, none))
    assert torch.equal(network(image, one, image, none), network(image, one, image, some))
    torch.nn.init.normal_(network.inlet.weight)
    assert not torch.equal(network(image, one, image, none), network(image, one, image, some))


def test_the_facts_name_the_two_layers_whose_own_weight_is_zero():
    network = FlowUnet(SHAPES[0])
    zero = {name for name, weight in mergeable_layers(network).items() if not weight.any()}
    assert zero == {HEAD, INLET} == {network.facts.head, network.facts.inlet}


def test_first_weights_come_from_the_generator_that_is_given():
    one, same, other = (
        FlowUnet(SHAPES[0], torch.Generator().manual_seed(seed)).state_dict() for seed in (3, 3, 4)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.weight"], other["stem.weight"])


def test_the_context_is_the_same_for_a_picture_and_its_enlargement():
    image = torch.rand(1, 3, 8, 8).repeat_interleave(32, 2).repeat_interleave(32, 3)
    twice = image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert describe(image).shape == (1, CONTEXT)
    assert torch.allclose(describe(image), describe(twice), atol=1e-5)


def test_a_picture_is_described_only_where_the_mixture_looks_at_it():
    network, image = FlowUnet(SHAPES[0]), torch.rand(2, 3, 24, 40)
    assert not network.describe(image).any() and network.describe(image).shape == (2, CONTEXT)
    network.inlet.weight.data[0, 0] = 1
    assert torch.equal(network.describe(image), describe(image))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 7)])
def test_every_size_has_a_context(size):
    assert torch.isfinite(describe(torch.rand(1, 3, *size))).all()


def test_the_description_of_a_large_picture_is_of_its_adaptive_means():
    image = torch.rand(2, 3, 300, 143, generator=torch.Generator().manual_seed(3))
    means = torch.nn.functional.adaptive_avg_pool2d(image, (128, 128))
    torch.testing.assert_close(reduced(image), means)
    torch.testing.assert_close(describe(image), describe(means))
    torch.testing.assert_close(describe((image * 255).round().byte()), describe(image), atol=3e-3, rtol=0)


def test_at_the_start_all_but_an_eighth_of_the_stem_sees_changes_and_not_brightness():
    torch.manual_seed(0)
    stem = FlowUnet(FlowUnetConfig((16, 16), (1, 1), 16)).stem
    colours = torch.rand(5, 6, 1, 1).repeat_interleave(4, 1).expand(5, 24, 3, 3)  # x_t and degraded, 2x2 blocks
    answers = torch.nn.functional.conv2d(colours, stem.weight)[:, :, 0, 0]
    assert answers[:, :2].abs().amin() > 1e-3
    assert answers[:, 2:].abs().amax() < 1e-5
    assert stem.weight[2:].std() > 2 * stem.weight[:2].std()


def test_the_shipped_shape_keeps_its_budget():
    network = FlowUnet.from_folder(shipped_weights("backbone"))
    image = torch.rand(1, 3, 64, 64)
    with FlopCounterMode(display=False) as counter:
        network(image, torch.ones(1), image, torch.zeros(1, CONTEXT))
    assert counter.get_total_flops() / 64**2 < 350e3
    assert sum(p.numel() for p in network.parameters()) < 6e6
