"""Laws of amounts: where the key of a late basis is unsure, what the basis changes says how much of it is best."""

import shutil
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.errors import WeightsError
from restorekit.model.amount import WEIGHTS, Amount, between, load_judge, write_amount
from restorekit.model.basis import EVIDENCE
from restorekit.model.evidence import EVIDENCE_LENGTH, evidence
from restorekit.model.key import BasisKey
from restorekit.model.weights import save_tensors, write_sums
from restorekit.running.restorer import Restorer
from restorekit.weighing.amounts import amounts, change_of, finest
from restorekit.weighing.halves import every_other, middles
from restorekit.weighing.looks import look_twice, read_picture
from restorekit.weighing.origins import Origins

LEAST = torch.tensor([0.1, 2.0])
ORIGINS = Origins(late=("noise", "jpeg"), optical=("blur",))
RISING, FALLING = (0.0, 2.0, 4.0, 6.0, 8.0), (8.0, 6.0, 4.0, 2.0, 0.0)  # losses: none and all of it is best


def keys(encoder, noise=0.0, jpeg=-20.0, blur=-20.0):
    size = encoder.dimension
    nothing, gauge = torch.zeros(size), torch.zeros(size + 1)
    biases = {"noise": noise, "jpeg": jpeg, "blur": blur}
    return {name: BasisKey(nothing, torch.tensor(bias), gauge) for name, bias in biases.items()}


def losing(losses, dimension=8, asked=2):
    """An amount that says the same of every picture."""
    numbers, ends, units = EVIDENCE_LENGTH + asked, len(WEIGHTS), 3
    return Amount(
        asked=torch.zeros(asked, dimension), answers=torch.zeros(asked), mean=torch.zeros(numbers),
        gain=torch.ones(numbers), down=torch.zeros(units, numbers), shift=torch.zeros(units),
        up=torch.zeros(ends, units), straight=torch.zeros(ends, numbers), bias=torch.tensor(losses), least=LEAST,
    )  # fmt: skip


def darker(crops, weights):
    return crops * (1 - 0.2 * sum(weights.values()))


def test_the_curve_goes_through_what_five_weights_lose_and_any_polynomial_of_degree_four_is_found():
    losses = torch.randn(3, 5, generator=Generator().manual_seed(1))
    assert torch.allclose(between(losses, torch.tensor(WEIGHTS)), losses, atol=1e-4)
    places = torch.linspace(0, 1, 9)
    fourth = torch.tensor(WEIGHTS) ** 4 - torch.tensor(WEIGHTS)
    assert torch.allclose(between(fourth, places), places**4 - places, atol=1e-5)


def test_the_weight_is_where_the_least_is_lost():
    numbers = torch.zeros(EVIDENCE_LENGTH + 2)
    for best in (0.0, 0.3, 0.75, 1.0):
        losses = tuple(20 * (weight - best) ** 2 for weight in WEIGHTS)
        assert losing(losses).weight(numbers, 1.0 if best < 0.5 else 0.0) == pytest.approx(best, abs=0.013)


@pytest.mark.parametrize(("end", "start", "least"), [(1.0, 0.0, 0.1), (0.0, 1.0, 2.0)])
def test_the_key_keeps_the_word_where_little_is_promised(end, start, least):
    numbers = torch.zeros(EVIDENCE_LENGTH + 2)
    for share, weight in ((0.9, start), (1.1, end)):
        losses = tuple(share * least * abs(weight - end) for weight in WEIGHTS)
        assert losing(losses).weight(numbers, start) == weight


def test_an_amount_reads_the_change_and_the_answers_of_the_keys_that_it_asks():
    generator = Generator().manual_seed(1)
    amount = replace(losing(RISING), asked=torch.eye(8)[:2], answers=torch.tensor([0.5, -1.0]))
    change, query = torch.randn(EVIDENCE_LENGTH, generator=generator), torch.arange(12.0)
    numbers = amount.numbers(change, query)
    assert torch.equal(numbers[:-2], change) and numbers[-2:].tolist() == [0.5, 0.0]
    straight = replace(amount, straight=torch.ones_like(amount.straight), mean=numbers - 2, bias=torch.zeros(5))
    assert torch.allclose(straight.losses(numbers), torch.full((5,), 2.0 * len(numbers)))


@pytest.mark.parametrize(("losses", "weight"), [(RISING, 0.0), (FALLING, 1.0)])
def test_an_amount_has_the_word_where_the_key_is_unsure(encoder, image, losses, weight):
    seen = read_picture(encoder, keys(encoder), ORIGINS, image, darker, judges={"noise": losing(losses)})
    assert seen.weights == {"noise": weight, "jpeg": 0.0, "blur": 0.0}


@pytest.mark.parametrize("bias", [-3.0, 6.0])
def test_nothing_is_tried_where_the_key_is_sure(encoder, image, bias):
    judges = {"noise": losing(FALLING if bias < 0 else RISING)}
    seen = read_picture(encoder, keys(encoder, bias), ORIGINS, image, darker, judges=judges)
    assert seen == read_picture(encoder, keys(encoder, bias), ORIGINS, image, darker)
    assert seen.weights["noise"] == float(bias > 0)


def test_an_amount_of_what_is_not_late_or_not_there_is_not_asked(encoder, image):
    judges = {"blur": losing(FALLING), "rain": losing(FALLING)}
    seen = read_picture(encoder, keys(encoder, blur=0.0), ORIGINS, image, darker, judges=judges)
    assert seen == read_picture(encoder, keys(encoder, blur=0.0), ORIGINS, image, darker)


@pytest.mark.parametrize(
    ("jpeg", "strength", "weight"), [(-20.0, 1.0, 0.0), (-1.0, 1.0, 0.0), (20.0, 0.4, 0.0), (20.0, 0.6, 1.0)]
)
def test_in_a_file_that_was_strongly_compressed_the_read_out_of_files_has_the_word(
    encoder, image, jpeg, strength, weight
):
    judges = {"noise": replace(losing(RISING), beside=losing(FALLING))}
    own = keys(encoder, jpeg=jpeg)
    gauge = torch.cat([torch.zeros(encoder.dimension), torch.tensor([strength])])
    own["jpeg"] = replace(own["jpeg"], gauge=gauge)
    assert read_picture(encoder, own, ORIGINS, image, darker, judges=judges).weights["noise"] == weight
    alone = {"noise": losing(RISING)}
    assert read_picture(encoder, own, ORIGINS, image, darker, judges=alone).weights["noise"] == 0.0


def test_what_the_amount_says_is_what_the_second_look_removes(encoder, image):
    own = keys(encoder)
    own["blur"] = replace(own["blur"], second=torch.tensor(0.5), bias=torch.tensor(0.0))
    view = encoder.view(image)
    first = encoder.query_of(view)[0]
    for losses, found in ((RISING, {}), (FALLING, {"noise": 1.0})):
        halves, _ = look_twice(encoder, own, ORIGINS, view, first, darker, {"noise": losing(losses)})
        assert halves.found == found and halves.given == {"noise": found.get("noise", 0.0)}


def test_the_change_is_at_weight_one_beside_what_else_was_found(encoder, image):
    view = encoder.view(image)
    crops = middles(every_other(view, 0).crops)
    before = darker(crops, {"jpeg": 0.5})
    wanted = evidence(before, darker(crops, {"jpeg": 0.5, "noise": 1.0}))
    assert torch.equal(change_of(view, "noise", {"noise": 0.3, "jpeg": 0.5, "blur": 0.0}, darker), wanted)
    assert torch.equal(
        change_of(view, "noise", {"noise": 0.3}, darker), evidence(crops, darker(crops, {"noise": 1.0}))
    )


def softer(crops, weights):
    """Blur, as far as the weight of noise goes."""
    smooth = F.avg_pool2d(F.pad(crops, (1,) * 4, mode="reflect"), 3, stride=1)
    return crops + weights.get("noise", 0.0) * (smooth - crops)


def meshed(top, left):
    """A picture with little noise and a mesh of 64 px somewhere."""
    picture = 0.5 + 0.01 * torch.randn(1, 3, 256, 320, generator=Generator().manual_seed(3))
    picture[..., top : top + 64, left : left + 64] += 0.2 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2)
    return picture.clamp(0, 1)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (192, 256), (80, 144)])
@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_the_finest_texture_is_found_wherever_it_is(top, left, kind):
    picture = meshed(top, left)
    given = picture if kind == torch.float32 else (255 * picture).round().to(kind)
    part = finest(given)
    assert torch.allclose(part, picture[..., top : top + 64, left : left + 64], atol=0.002)
    assert finest(picture[..., :100, :]) is None


def test_texture_that_crops_do_not_see_is_not_taken_for_noise(encoder):
    """A chair's mesh in the corner of a noisy room was erased: 7.5 dB."""
    view = encoder.view(meshed(192, 256))
    first = encoder.query_of(view)[0]
    plain = replace(view, crops=view.crops[:1], owners=view.owners[:1])
    own, judges = keys(encoder), {"noise": losing(FALLING)}
    noisy = meshed(0, 0)[..., 128:192, 128:192].repeat(1, 1, 4, 5)
    for picture, weight in ((meshed(192, 256), 0.5), (noisy, 1.0)):
        given = amounts(plain, own, ORIGINS, judges, {"noise": 0.5}, first, softer, picture)
        assert given == {"noise": weight}
    lower = {"noise": losing(RISING)}
    assert amounts(plain, own, ORIGINS, lower, {"noise": 0.5}, first, softer, meshed(192, 256)) == {"noise": 0.0}


def test_an_amount_comes_back_from_its_file_and_one_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / EVIDENCE
    write_amount(path, replace(losing(FALLING), answers=torch.tensor([0.5, -2.0])))
    write_sums(tmp_path)
    back = load_judge(path)
    assert isinstance(back, Amount) and back.answers.tolist() == [0.5, -2.0] and back.beside is None
    tensors = {field.name: getattr(back, field.name) for field in fields(back) if field.name != "beside"}
    beside = {f"beside.{name}": tensor for name, tensor in tensors.items()}
    for other, message in (
        (tensors | beside | {"beside.least": torch.zeros(3)}, r"least of shape \(3,\), not \(2,\)"),
        ({name: tensor for name, tensor in tensors.items() if name != "up"}, "has no up; make it again with"),
        (
            {**tensors, "down": torch.zeros(3, 7)},
            r"down of shape \(3, 7\), not \(3, .*restorekit\.training\.amounts",
        ),
    ):
        save_tensors(path, other)
        write_sums(tmp_path)
        with pytest.raises(WeightsError, match=message):
            load_judge(path)


def test_a_read_out_of_files_comes_back_beside_the_other(tmp_path):
    path = tmp_path / EVIDENCE
    write_amount(path, replace(losing(FALLING), beside=losing(RISING, asked=3)))
    write_sums(tmp_path)
    back = load_judge(path)
    assert isinstance(back, Amount) and back.of(0.4) is back and back.of(0.6) is back.beside
    assert back.bias.tolist() == list(FALLING) and back.beside.bias.tolist() == list(RISING)
    assert back.beside.asked.shape == (3, 8) and back.beside.beside is None


def test_an_amount_comes_with_its_basis(tiny, tmp_path, monkeypatch, image):
    shutil.copytree(tiny, tmp_path / "weights")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(tmp_path / "weights"))
    write_amount(tmp_path / "weights" / "noise" / EVIDENCE, losing(FALLING, dimension=8))
    write_sums(tmp_path / "weights" / "noise")
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
    assert isinstance(restorer.judges["noise"], Amount)
    assert "basis noise/evidence.safetensors" in restorer.provenance()
