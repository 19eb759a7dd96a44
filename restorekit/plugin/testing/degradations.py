"""Laws of a degradation: what training, tables and mixtures rely on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.composition import Step
from restorekit.degradation import Degradation, Realisation
from restorekit.errors import PluginError
from restorekit.plugin.checks import fault_in
from restorekit.plugin.testing.other_device import CUDA, fake_cuda
from restorekit.plugin.testing.pictures import waves
from restorekit.plugin.testing.report import Broken, Rule

__all__ = ["DEGRADATION_RULES", "Degrading"]

COUNT = 3  # pictures of a batch
SEEN = 1e-3  # mean change of a picture, in [0, 1], that counts as one
NEAR = 1e-6  # pictures of a batch may differ by this: sums over a batch are added up in another order
FRACTIONS = (0.15, 0.5, 0.95)  # of the scale from off to strong


@dataclass(frozen=True)
class Degrading:
    """A degradation, and the size of the pictures that it is tried on."""

    degradation: Degradation
    size: int

    def photo(self) -> Tensor:
        """A batch, (3, 3, size, size + 8)."""
        return waves(COUNT, self.size, self.size + 8)

    @property
    def shape(self) -> tuple[int, ...]:
        return (COUNT, 3, self.size, self.size + 8)

    def draw(self, seed: int = 0, severity: float | None = None, kind: str | None = None) -> Step:
        """Draw for a batch."""
        return Step.draw(self.degradation, self.shape, Generator().manual_seed(seed), severity, kind)

    def kinds(self) -> Iterator[tuple[str, str]]:
        """Each kind, and the words that name it where there are several."""
        kinds = self.degradation.kinds
        for kind in kinds:
            yield kind, f"kind {kind!r}: " if len(kinds) > 1 else ""


def card_is_whole(its: Degrading) -> str:
    """Check the class attributes."""
    degradation = its.degradation
    if fault := fault_in(degradation):
        raise Broken(fault)
    scale = degradation.severity
    for value in (scale.mild, scale.typical, scale.strong):
        again = scale.value(scale.fraction(value))
        if abs(again - value) > 1e-6 * max(1.0, abs(value)):
            raise Broken(f"severity {value:g} comes back from the scale as {again:g}")
    if not 0 < degradation.order < 100:
        raise Broken(f"order is {degradation.order:g}")
    shares = degradation.shares
    if shares and (len(shares) != len(degradation.kinds) or min(shares) < 0 or not sum(shares) > 0):
        raise Broken(f"shares are {shares} for kinds {degradation.kinds}")
    if len(set(degradation.kinds)) < len(degradation.kinds):
        raise Broken(f"kinds are {degradation.kinds}")
    return f"order {degradation.order:g}, {scale.describe(scale.mild)} to {scale.describe(scale.strong)}"


def apply_gives_pictures(its: Degrading) -> str:
    """Try sizes, odd ones too; `Step` checks what comes back."""
    sizes = ((COUNT, 3, its.size, its.size + 8), (1, 3, 33, 47), (2, 3, 16, 61))
    for shape in sizes:
        for seed, kind in enumerate((None, *its.degradation.kinds)):
            severity = its.degradation.severity.typical if kind else None
            step = Step.draw(its.degradation, shape, Generator().manual_seed(seed), severity, kind)
            step.apply(waves(shape[0], *shape[2:]))
    return f"{len(sizes)} sizes"


def realisation_is_of_the_batch(its: Degrading) -> str:
    """Look at the tensors of training draws, and at their severities."""
    drawn = its.draw().realisation
    for name, part in drawn.parts.items():
        if not isinstance(part, torch.Tensor) or part.ndim < 1 or len(part) != COUNT:
            what = tuple(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__
            raise Broken(f"part {name!r} is {what} for a batch of {COUNT}")
    if drawn.severity.device.type != "cpu" or not drawn.severity.is_floating_point():
        raise Broken(f"severities are {drawn.severity.dtype} on {drawn.severity.device}")
    scale = its.degradation.severity
    for value in drawn.severity.tolist():
        if not scale.fraction(value) >= 0:
            raise Broken(f"training draws {value:g}, beyond {scale.off:g}, where it is off")
    return ", ".join(drawn.parts) or "no parts"


def off_leaves_the_picture_alone(its: Degrading) -> None:
    """Draw each kind at `severity.off`."""
    for kind, words in its.kinds():
        photo, scale = its.photo(), its.degradation.severity
        changed = its.draw(severity=scale.off, kind=kind).apply(photo.clone())
        if not torch.equal(changed, photo):
            far = float((changed - photo).abs().max())
            raise Broken(f"{words}at {scale.off:g} a pixel changes by {far:.2g}")


def every_kind_changes_the_picture(its: Degrading) -> str:
    """Draw each kind at its typical severity."""
    changes = []
    for kind, words in its.kinds():
        photo, typical = its.photo(), its.degradation.severity.typical
        changes.append(float((its.draw(severity=typical, kind=kind).apply(photo.clone()) - photo).abs().mean()))
        if not changes[-1] > SEEN:
            raise Broken(f"{words}at {typical:g} pixels change by {changes[-1]:.2g} in the mean")
    return f"by {min(changes):.2g} or more in the mean"


def stronger_is_further_away(its: Degrading) -> str:
    """Compare three severities of each kind, with the same seed."""
    scale = its.degradation.severity
    for kind, words in its.kinds():
        photo = its.photo()
        values = [scale.value(fraction) for fraction in FRACTIONS]
        steps = [[its.draw(seed, value, kind) for seed in range(3)] for value in values]
        errors = [
            sum(float((s.apply(photo.clone()) - photo).square().mean()) for s in row) / len(row) for row in steps
        ]
        if not errors[0] < errors[1] < errors[2]:
            pairs = (f"{e:.2g} at {v:.3g}" for e, v in zip(errors, values, strict=True))
            raise Broken(f"{words}mean squares are {', '.join(pairs)}")
    return " < ".join(f"{e:.2g}" for e in errors)


def the_same_generator_gives_the_same_picture(its: Degrading) -> None:
    """Draw twice from equal generators, while torch's own is at different places."""
    photo, pictures = its.photo(), []
    for own in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(own)
            pictures.append(its.draw(5).apply(photo.clone()))
    if not torch.equal(*pictures):
        raise Broken("two draws from equal generators gave two pictures")


def another_seed_another_draw(its: Degrading) -> None:
    """Draw from other generators: training sees more than one realisation."""
    first, other = (its.draw(seed).apply(its.photo()) for seed in (5, 6))
    if torch.equal(first, other):
        raise Broken("draws from two seeds gave one picture")


def apply_is_deterministic(its: Degrading) -> None:
    """Apply one realisation twice, and look at what it was given."""
    photo, step = its.photo(), its.draw(5)
    given = photo.clone()
    before = [tensor.clone() for tensor in step.realisation.tensors()]
    first = step.apply(given).clone()
    if not torch.equal(given, photo):
        raise Broken("apply changed the picture that it was given")
    if not all(torch.equal(a, b) for a, b in zip(before, step.realisation.tensors(), strict=True)):
        raise Broken("apply changed the realisation that it was given")
    if not torch.equal(step.apply(given), first):
        raise Broken("one realisation applied twice gave two pictures")


def pictures_of_a_batch_are_apart(its: Degrading) -> str:
    """Change the other pictures of a batch, and look at the first."""
    far = 0.0
    for seed, kind in enumerate((None, *its.degradation.kinds)):
        severity = its.degradation.severity.typical if kind else None
        photo, step = its.photo(), its.draw(seed, severity, kind)
        other = photo.clone()
        other[1:] = 0.2
        far = max(far, float((step.apply(photo.clone())[0] - step.apply(other)[0]).abs().max()))
    if far > NEAR:
        raise Broken(f"the first picture changes by {far:.2g} with the others")
    return ""


def an_unknown_kind_is_refused(its: Degrading) -> None:
    """Ask for a kind that there is not."""
    try:
        its.degradation.draw(its.shape, Generator().manual_seed(0), kind="no such kind")
    except PluginError as error:
        if its.degradation.kinds[0] in str(error):
            return
        raise Broken(f"the refusal does not list the kinds: {error}") from error
    raise Broken("a kind that there is not was drawn")


def draws_where_the_generator_is(its: Degrading) -> str:
    """Draw and apply each kind on a GPU that need not be there: shapes without values."""
    degradation = its.degradation
    for kind in (None, *degradation.kinds):
        severity = degradation.severity.typical if kind else None
        ready = its.draw(0, severity, kind).realisation if degradation.draws_on_cpu else None
        with fake_cuda() as generator:
            drawn = moved(ready) if ready else degradation.draw(its.shape, generator, severity=severity, kind=kind)
            if strays := places(drawn.tensors()) - {CUDA}:
                raise Broken(f"tensors are on {', '.join(map(str, strays))} for a generator on {CUDA}")
            degraded = degradation.apply(torch.rand(its.shape, device=CUDA), drawn)
            if degraded.device != CUDA or degraded.shape != its.shape:
                raise Broken(f"apply gave {tuple(degraded.shape)} on {degraded.device} for a picture on {CUDA}")
    return "draws on the CPU, and says so" if degradation.draws_on_cpu else "on a GPU too"


def moved(drawn: Realisation) -> Realisation:
    """The realisation on the other device."""
    return drawn.to(CUDA)


def places(tensors: Iterator[Tensor] | Sequence[Tensor]) -> set[torch.device]:
    return {tensor.device for tensor in tensors}


DEGRADATION_RULES: tuple[Rule[Degrading], ...] = (
    Rule(
        "its class attributes make sense",
        card_is_whole,
        "Give severity, kinds, shares and order (scene 10, lens 20, sampling 30, sensor 40, file 50) that do.",
        gate=True,
    ),
    Rule(
        "apply returns pictures of the same shape and type, finite and in range",
        apply_gives_pictures,
        "Return float32 of the shape that came, RGB near [0, 1], for any size.",
        gate=True,
    ),
    Rule(
        "a realisation has a row for each picture",
        realisation_is_of_the_batch,
        "Make every part a tensor whose first dimension is draw.shape[0], with severities from mild to strong.",
    ),
    Rule(
        "severity.off leaves the picture alone",
        off_leaves_the_picture_alone,
        "Let apply return the picture's own values where the severity is severity.off.",
    ),
    Rule(
        "every kind changes the picture at the typical severity",
        every_kind_changes_the_picture,
        "Let each kind in kinds do something at severity.typical, or take it out.",
    ),
    Rule(
        "stronger is further away",
        stronger_is_further_away,
        "Let the distance from the clean picture grow from severity.off to severity.strong, in every kind.",
    ),
    Rule(
        "the same generator gives the same picture",
        the_same_generator_gives_the_same_picture,
        "Draw all randomness from the generator: draw.uniform, draw.normal, draw.integers.",
    ),
    Rule(
        "another seed gives another picture",
        another_seed_another_draw,
        "Draw severities, and what make adds to them, at random.",
    ),
    Rule(
        "apply is deterministic and leaves what it is given as it is",
        apply_is_deterministic,
        "Draw all randomness in make, and change no tensor in place in apply.",
    ),
    Rule(
        "pictures of a batch do not see each other",
        pictures_of_a_batch_are_apart,
        "Reduce over dimensions 1 to 3 only, never over the batch.",
    ),
    Rule(
        "an unknown kind is refused with the kinds there are",
        an_unknown_kind_is_refused,
        "Do not override draw, or call self.check_kind(kind, severity) in it.",
    ),
    Rule(
        "it is drawn on the generator's device, or says draws_on_cpu",
        draws_where_the_generator_is,
        "Make tensors on draw.device and ask for no values, or set draws_on_cpu = True.",
    ),
)
