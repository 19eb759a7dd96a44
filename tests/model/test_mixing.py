"""Laws of mixing: exact, in any order, and a value: nothing that is done later changes a mixture."""

import weakref

import pytest
import torch

from restorekit.errors import MixingError
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import Basis
from restorekit.model.context import CONTEXT
from restorekit.model.lora import Stacked, mergeable_layers
from restorekit.model.mixing import KEPT, Mixer, MixingWeights, Recent
from tests.tiny import BASES


@pytest.fixture
def backbone(weights_folder):
    return FlowUnet.from_folder(weights_folder / "backbone")


@pytest.fixture
def bases(weights_folder):
    return {name: Basis(name, name, weights_folder / name).layers() for name in BASES}


def outputs(predictor, size=24):
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(7))
    return predictor(image, torch.tensor([1.0, 0.4]), image.flip(0), torch.zeros(2, CONTEXT))


def mixed(backbone, bases, **weights):
    return Mixer(backbone, bases).specialise(MixingWeights(weights))


def peft_model(weights_folder, names, weights):
    """The same mixture through peft: adapters concatenated with their weights, not merged."""
    peft = pytest.importorskip("peft")
    model = FlowUnet.from_folder(weights_folder / "backbone")
    for p in model.parameters():
        p.requires_grad_(False)
    wrapped = peft.PeftModel.from_pretrained(model, str(weights_folder / names[0]), adapter_name=names[0])
    for name in names[1:]:
        wrapped.load_adapter(str(weights_folder / name), adapter_name=name)
    if len(names) > 1:
        wrapped.add_weighted_adapter(names, weights, "mixed", combination_type="cat")
        wrapped.set_adapter("mixed")
    return wrapped.eval()


def test_zero_weights_give_the_backbone_as_it_is(backbone, bases):
    predictor = mixed(backbone, bases, **dict.fromkeys(BASES, 0.0))
    assert torch.equal(outputs(predictor), outputs(backbone))


def test_one_hot_mixing_equals_that_lora_alone_in_peft_itself(backbone, bases, weights_folder):
    alone = peft_model(weights_folder, ["rain"], [1.0])
    assert torch.allclose(outputs(mixed(backbone, bases, rain=1.0)), outputs(alone), atol=1e-5)


def test_a_merged_mixture_equals_the_unmerged_one_in_peft_itself(backbone, bases, weights_folder):
    weights = {"blur": 0.3, "noise": 1.2, "rain": 0.75}
    unmerged = peft_model(weights_folder, list(weights), list(weights.values()))
    assert torch.allclose(outputs(mixed(backbone, bases, **weights)), outputs(unmerged), atol=1e-4)


def test_the_order_of_bases_is_irrelevant_to_the_bit(backbone, bases):
    orders = [{n: bases[n] for n in order} for order in (BASES, BASES[::-1])]
    results = [outputs(mixed(backbone, order, **dict.fromkeys(order, 0.3))) for order in orders]
    assert torch.equal(*results)


def test_the_backbone_is_never_written_to_and_shares_what_no_basis_changes(backbone, bases):
    before, result = {n: t.clone() for n, t in backbone.state_dict().items()}, outputs(backbone)
    predictor = mixed(backbone, bases, noise=1.0)
    assert not torch.equal(outputs(predictor), result)
    assert torch.equal(outputs(backbone), result)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    shared = {n for n, p in predictor.named_parameters() if p.data_ptr() == backbone.get_parameter(n).data_ptr()}
    assert set(before) - shared == {f"{name}.weight" for name in bases["noise"]}


def test_mixtures_live_side_by_side_and_none_changes_another(backbone, bases):
    """Guidance evaluates two in each step; so does a second look while a picture waits."""
    mixer = Mixer(backbone, bases)
    wishes = [MixingWeights({"noise": 1.0, "jpeg": 0.2}), MixingWeights({"blur": 0.6}), MixingWeights({})]
    one, other, none = (mixer.specialise(weights) for weights in wishes)
    alone = [outputs(Mixer(backbone, bases).specialise(weights)) for weights in wishes]
    for _ in range(2):
        results = [outputs(predictor) for predictor in (one, other, none)]
        assert all(torch.equal(*pair) for pair in zip(results, alone, strict=True))
        for i in range(2 * KEPT):
            outputs(mixer.specialise(MixingWeights({"rain": 0.1 + 0.1 * i})))


def test_two_mixtures_go_down_a_picture_side_by_side(backbone, bases):
    """Row by row in turns, each with the result that it has alone."""
    image = torch.rand(1, 3, 96, 16, generator=torch.Generator().manual_seed(2))
    wishes = [{"noise": 1.0}, {"blur": 0.5, "rain": 1.0}]
    predictors = [mixed(backbone, bases, **wish) for wish in wishes]

    def rows(streams):
        parts = [[] for _ in streams]
        for top in range(0, 96, 16):
            for stream, kept in zip(streams, parts, strict=True):
                part = image[:, :, top : top + 16]
                kept.append(stream.push(part, part, top == 80))
        return [torch.cat(kept, 2) for kept in parts]

    with torch.no_grad():
        begun = [lambda p=p: p.stream(torch.ones(1), torch.zeros(1, CONTEXT)) for p in predictors]
        together = rows([begin() for begin in begun])
        for begin, found in zip(begun, together, strict=True):
            assert torch.equal(rows([begin()])[0], found)
    assert not torch.equal(*together)


def test_equal_mixtures_merge_once(backbone, bases, monkeypatch):
    mixer, merged = Mixer(backbone, bases), []
    tensors = mixer.tensors
    monkeypatch.setattr(mixer, "tensors", lambda weights: merged.append(weights.active) or tensors(weights))
    wishes = [{"noise": 1.0, "rain": 0.0}, {"noise": 1.0}, {"blur": 0.5}, {"noise": 1.0}]
    found = [mixer.specialise(MixingWeights(wish)) for wish in wishes]
    assert merged == [{"noise": 1.0}, {"blur": 0.5}]
    assert found[0] is found[1] is found[3]


def test_fifty_mixtures_leave_no_more_than_the_last_few_in_memory(backbone, bases):
    mixer, tensors = Mixer(backbone, bases), []
    for i in range(50):
        predictor = mixer.specialise(MixingWeights({"noise": 0.5 + 0.01 * i, BASES[i % 3]: 1.0}))
        tensors.append(weakref.ref(predictor.get_parameter("stem.weight")))
        del predictor
    alive = [i for i, tensor in enumerate(tensors) if tensor() is not None]
    assert alive == list(range(50 - KEPT, 50))


def test_recent_values_are_bounded_in_number_and_in_bytes_but_the_newest_is_always_kept():
    recent = Recent(3, 100)
    for key, size in (("a", 60), ("b", 30), ("c", 1000)):
        assert recent.get(key, lambda key=key, size=size: (key.upper(), size)) == key.upper()
    assert list(recent.values) == ["a", "b", "c"]
    recent.get("d", lambda: ("D", 5))
    assert list(recent.values) == ["d"]  # c alone is more than the older ones may take
    for key in "efg":
        recent.get(key, lambda: ("", 1))
    recent.get("e", lambda: pytest.fail("it is there"))
    assert list(recent.values) == ["f", "g", "e"]


def test_a_mixture_made_in_inference_mode_or_under_autocast_is_the_same(backbone, bases):
    plain = mixed(backbone, bases, noise=1.0).state_dict()
    for mode in (torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.enable_grad()):
        with mode:
            predictor = mixed(backbone, bases, noise=1.0)
        assert all(torch.equal(tensor, plain[name]) for name, tensor in predictor.state_dict().items())
        assert not any(p.is_inference() or p.requires_grad for p in predictor.parameters())


def test_the_memory_order_of_the_weights_changes_nothing_but_the_order(backbone, bases):
    plain = mixed(backbone, bases, noise=0.4, rain=1.1).state_dict()
    ordered = backbone.to(memory_format=torch.channels_last)
    assert not ordered.stem.weight.is_contiguous()
    for name, tensor in mixed(ordered, bases, noise=0.4, rain=1.1).state_dict().items():
        assert tensor.stride() == ordered.state_dict()[name].stride() or 1 in tensor.shape
        assert torch.allclose(tensor, plain[name], atol=1e-6)


def test_the_sum_is_linear_in_the_weights(backbone, bases):
    mixer = Mixer(backbone, bases)
    own = mergeable_layers(backbone)["stem"]

    def change(**weights):
        return mixer.tensors(MixingWeights(weights))["stem.weight"] - own

    one, both, other = change(noise=1.0), change(blur=0.25, noise=0.5), change(blur=1.0)
    assert torch.allclose(both, 0.5 * one + 0.25 * other, atol=1e-6)


def test_training_and_use_make_the_same_mixture_bit_for_bit(backbone, bases):
    stacked = Stacked.of([bases[name] for name in sorted(bases)], backbone)
    weights = torch.tensor([0.25, 1.0, 0.1, 0.5, 0.75])
    trained = stacked.merged(backbone, weights)
    used = Mixer(backbone, bases).tensors(MixingWeights(dict(zip(sorted(bases), weights.tolist(), strict=True))))
    assert trained.keys() == used.keys() and all(torch.equal(trained[name], used[name]) for name in used)


@pytest.mark.parametrize("weights", [{"noise": -0.1}, {"noise": 1.6}])
def test_weights_outside_their_range_are_refused(weights):
    with pytest.raises(MixingError, match="outside"):
        MixingWeights(weights)


def test_an_unknown_basis_is_refused_with_those_there_are(backbone, bases):
    with pytest.raises(MixingError, match="blur, jpeg"):
        mixed(backbone, bases, fog=1.0)
    with pytest.raises(MixingError, match="no basis fog; there are noise"):
        MixingWeights({"noise": 0.0}).override({"fog": 1.0})
