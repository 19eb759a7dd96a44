"""Laws of a backbone: the contract in `restorekit.model.backbone`, asked of a network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from pkgutil import resolve_name

import torch
from torch import Generator, Tensor

from restorekit.model.backbone import Backbone, Facts, Predictor
from restorekit.model.lora import mergeable_layers
from restorekit.model.weights import BACKBONE_TENSORS, recorded_sums, verify
from restorekit.plugin.checks import fault_in
from restorekit.plugin.hookspecs import BackboneCard
from restorekit.plugin.testing.report import Broken, Rule
from restorekit.running.device import choose_device
from restorekit.running.passing import Pass, Passing

__all__ = ["BACKBONE_RULES", "Predicting"]

NEAR = 1e-3  # a picture in pieces may differ by this: convolutions of other sizes add up in another order
UNSEEN = {torch.float64: 1e-9, torch.float32: 1e-4}  # what rounding alone changes


@dataclass(frozen=True)
class Predicting:
    """A backbone under test.

    thing: its card, or itself.
    device: auto, cpu, cuda, cuda:N or mps.
    """

    thing: BackboneCard | Backbone
    device: str

    @cached_property
    def place(self) -> torch.device:
        return choose_device(self.device)

    @cached_property
    def backbone(self) -> Backbone:
        if not isinstance(self.thing, BackboneCard):
            return self.thing.on(self.place)
        loaded: Backbone = resolve_name(self.thing.architecture).from_folder(self.thing.folder)
        return loaded.on(self.place)

    @property
    def facts(self) -> Facts:
        return self.backbone.facts

    def picture(self, height: int, width: int, count: int = 1, seed: int = 0) -> Tensor:
        """Noise, in [0, 1]."""
        made = torch.rand(count, 3, height, width, generator=Generator().manual_seed(seed))
        return made.to(self.place)

    def changed(self, seed: int = 0, scale: float = 1.0) -> dict[str, Tensor]:
        """Other tensors for every layer that a basis may change: as large as first weights are."""
        generator, tensors = Generator().manual_seed(seed), {}
        for name, own in mergeable_layers(self.backbone.network).items():
            noise = torch.randn(own.shape, generator=generator) / own[0].numel() ** 0.5
            tensors[f"{name}.weight"] = own.detach() + scale * noise.to(own)
        return tensors


@torch.no_grad()
def predicted(predictor: Predictor, picture: Tensor, context: Tensor | None = None, time: float = 1.0) -> Tensor:
    """The estimate of the clean picture, from the degraded one."""
    times = torch.full((len(picture),), time, device=picture.device, dtype=picture.dtype)
    context = predictor.describe(picture) if context is None else context
    return predictor(picture, times, picture, context.to(picture))


def card_is_whole(its: Predicting) -> str:
    """Check the card's fields and the files in its folder."""
    card = its.thing
    if not isinstance(card, BackboneCard):
        return "no card"
    if fault := fault_in(card):
        raise Broken(fault)
    for name in recorded_sums(card.folder):
        verify(card.folder / name)
    if not card.sha256:
        raise Broken(f"sha256sums does not list {BACKBONE_TENSORS}, whose digest bases name")
    return f"{card.name} {card.sha256[:12]}"


def is_loaded(its: Predicting) -> str:
    """Import the class and call from_folder."""
    network = its.backbone.network
    return f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters"


def facts_make_sense(its: Predicting) -> str:
    """Look at the facts, and whether the layers that they name are there."""
    facts = its.facts
    if not isinstance(facts, Facts):
        raise Broken(f"facts is {facts!r}, not a restorekit.model.backbone.Facts")
    if not isinstance(facts.multiple, int) or facts.multiple < 1:
        raise Broken(f"multiple is {facts.multiple!r}")
    if facts.halo is not None and (not isinstance(facts.halo, int) or facts.halo < 0):
        raise Broken(f"halo is {facts.halo!r}")
    layers = mergeable_layers(its.backbone.network)
    if not layers:
        raise Broken("it has no convolution or linear layer that a basis could change")
    for field in ("head", "inlet"):
        name = getattr(facts, field)
        if name and name not in layers:
            raise Broken(f"{field} is {name!r}, which is no layer that a basis may change")
        if name and bool(layers[name].any()):
            raise Broken(f"{field} {name!r} has a weight of its own")
    return f"multiple {facts.multiple}, halo {facts.halo}, {len(layers)} layers for bases"


def sizes_are_taken(its: Predicting) -> str:
    """Predict for pictures whose sides are multiples of `multiple`."""
    multiple, predictor = its.facts.multiple, its.backbone.specialise(its.changed())
    for height, width, count in ((1, 1, 1), (3, 5, 2), (6, 4, 1)):
        picture = its.picture(height * multiple, width * multiple, count)
        for time in (1.0, 0.3):
            estimate = predicted(predictor, picture, time=time)
            if estimate.shape != picture.shape or not bool(torch.isfinite(estimate).all()):
                raise Broken(f"for {tuple(picture.shape)} it gave {tuple(estimate.shape)}, or values not finite")
    return f"from {multiple} x {multiple} px"


def without_a_basis_it_is_the_input(its: Predicting) -> str:
    """Specialise for nothing; only a network with a head of no weight has to return its input."""
    if not its.facts.head:
        return "it has a head of its own"
    picture = its.picture(4 * its.facts.multiple, 6 * its.facts.multiple)
    if not torch.equal(predicted(its.backbone.specialise({}), picture), picture):
        raise Broken("the estimate differs from the degraded picture")
    return "bit for bit"


def specialise_leaves_it_alone(its: Predicting) -> None:
    """Compare every tensor before and after."""
    network = its.backbone.network
    before = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    picture = its.picture(4 * its.facts.multiple, 6 * its.facts.multiple)
    predicted(its.backbone.specialise(its.changed()), picture)
    after = network.state_dict()
    wrong = [name for name in before if name not in after or not torch.equal(after[name], before[name])]
    if wrong or len(after) != len(before):
        raise Broken(f"it changed {', '.join(wrong[:3]) or 'the list of tensors'}")


def predictors_live_side_by_side(its: Predicting) -> None:
    """Make two, and ask the first again."""
    picture = its.picture(4 * its.facts.multiple, 6 * its.facts.multiple)
    one = its.backbone.specialise(its.changed(1))
    first = predicted(one, picture)
    other = predicted(its.backbone.specialise(its.changed(2)), picture)
    if not torch.equal(predicted(one, picture), first):
        raise Broken("the first predictor gives another picture since the second was made")
    if torch.equal(first, other):
        raise Broken("two mixtures give one picture: the tensors are not put in the place of the network's own")


def halo_is_true(its: Predicting) -> str:
    """Change all beyond the halo of a block of pixels, in rows and in columns: the block has to stay.

    In double precision where the network can, so that faint influence is told from rounding.
    """
    halo, multiple = its.facts.halo, its.facts.multiple
    if halo is None:
        return "a picture is one piece"
    rim = multiple * (halo // multiple + 2)  # the block begins there, on the grid
    length, width = 2 * rim + multiple, 4 * multiple
    tensors = its.changed()
    try:
        twin = copy.deepcopy(its.backbone)
        twin.network.double()
        predictor, dtype = twin.specialise({n: t.double() for n, t in tensors.items()}), torch.float64
        predicted(predictor, its.picture(multiple, multiple).double())
    except (RuntimeError, TypeError):  # it mixes types
        predictor, dtype = its.backbone.specialise(tensors), torch.float32
    far = 0.0
    for turned in (False, True):
        picture = its.picture(length, width).to(dtype)
        other = its.picture(length, width, seed=1).to(dtype)
        near = slice(rim - halo, rim + multiple + halo)
        other[:, :, near] = picture[:, :, near]
        if turned:
            picture, other = picture.transpose(2, 3).contiguous(), other.transpose(2, 3).contiguous()
        context = predictor.describe(picture)
        moved = (predicted(predictor, picture, context) - predicted(predictor, other, context)).abs()
        block = moved[:, :, :, rim : rim + multiple] if turned else moved[:, :, rim : rim + multiple]
        far = max(far, float(block.max()))
    if far > UNSEEN[dtype]:
        raise Broken(f"a pixel beyond {halo} px changes another by {far:.2g}")
    return f"{halo} px"


@torch.no_grad()
def pieces_are_the_whole(its: Predicting) -> str:
    """Restore a long picture in one piece, and in the smallest tiles or, where facts say `streams`, in strips."""
    passing = Passing(its.facts, its.place, torch.float32)
    if passing.smallest is None:
        return "a picture is one piece"
    multiple = its.facts.multiple
    predictor = its.backbone.specialise(its.changed(scale=0.3))
    picture = its.picture(passing.smallest + 5 * multiple, 4 * multiple)
    whole, parts = (
        passing.run(predictor, picture, torch.float32, Pass(1, side)) for side in (len(picture[0, 0]), 1)
    )
    far = float((whole - parts).abs().max())
    if not far < NEAR:
        raise Broken(f"a picture in pieces differs by {far:.2g}")
    return "in strips" if its.facts.streams else "in tiles"


def half_precision_is_near(its: Predicting) -> str:
    """Predict in bf16 where the facts say that it may."""
    if not its.facts.half:
        return "full precision only"
    picture = its.picture(8 * its.facts.multiple, 8 * its.facts.multiple)
    predictor = its.backbone.specialise(its.changed(scale=0.1))
    whole = predicted(predictor, picture)
    with torch.autocast(its.place.type, torch.bfloat16):
        half = predicted(predictor, picture).float()
    far = float((half - whole).square().mean().sqrt() / (whole - picture).square().mean().sqrt().clamp_min(1e-6))
    if not far < 0.25:
        raise Broken(f"in bf16 what it changes differs by {100 * far:.0f} %")
    return f"in bf16 what it changes differs by {100 * far:.1f} %"


def deterministic(its: Predicting) -> None:
    """Predict twice."""
    picture = its.picture(4 * its.facts.multiple, 6 * its.facts.multiple)
    predictor: Predictor = its.backbone.specialise(its.changed())
    if not torch.equal(predicted(predictor, picture), predicted(predictor, picture)):
        raise Broken("one picture gave two estimates")


CONTRACT = "See the contract in restorekit.model.backbone."
BACKBONE_RULES: tuple[Rule[Predicting], ...] = (
    Rule(
        "its card and files are whole",
        card_is_whole,
        "Correct the card, and write sha256sums with the digests of all files in its folder.",
        gate=True,
    ),
    Rule("it is loaded", is_loaded, f"Correct architecture or from_folder. {CONTRACT}", gate=True),
    Rule("its facts make sense", facts_make_sense, f"Correct facts. {CONTRACT}", gate=True),
    Rule(
        "it takes every size of its multiple",
        sizes_are_taken,
        "Raise facts.multiple, or let the network take every size of it.",
        gate=True,
    ),
    Rule(
        "without a basis it gives the input",
        without_a_basis_it_is_the_input,
        "Return degraded + head(...), or leave facts.head empty.",
    ),
    Rule("it is deterministic", deterministic, "Call eval() in from_folder, and draw nothing at random."),
    Rule(
        "specialise leaves the backbone alone",
        specialise_leaves_it_alone,
        "Make a copy that shares what stays: restorekit.model.lora.with_tensors does.",
    ),
    Rule(
        "predictors live side by side",
        predictors_live_side_by_side,
        "Give each predictor tensors of its own: restorekit.model.lora.with_tensors does.",
    ),
    Rule("nothing beyond the halo reaches a pixel", halo_is_true, "Raise facts.halo, or set it to None."),
    Rule(
        "a picture in pieces is the picture in one",
        pieces_are_the_whole,
        "Raise facts.halo and facts.multiple, or correct stream.",
    ),
    Rule("half precision is near where it is allowed", half_precision_is_near, "Set facts.half = False."),
)
