"""Every law of a degradation is broken by a stranger who breaks it, and a good one keeps them all."""

import pytest
import torch

from restorekit.degradation import Degradation, Realisation, Severity
from restorekit.plugin.testing import Law, Report, check_degradation


class Dust(Degradation):
    """Grey grain, even or thicker below."""

    name = "dust"
    severity = Severity("opacity", "%", 0, 10, 70, 35)
    kinds = ("even", "rising")
    order = 5

    def make(self, draw):
        return Realisation(draw.severity, {"grain": draw.uniform(1, *draw.shape[2:])})

    def apply(self, image, realisation):
        veil = (realisation.severity.to(image) / 100).view(-1, 1, 1, 1)
        low = 0.5 * realisation.are("rising").to(image).view(-1, 1, 1, 1)
        height = torch.linspace(0, 1, image.shape[2]).to(image).view(1, 1, -1, 1)
        return image + (1 - low + low * height) * veil * (realisation["grain"].to(image) - image)


def wrong(**members) -> Degradation:
    return type("Wrong", (Dust,), members)()


def applied(change):
    """A degradation whose apply does something else with picture, realisation and the right result."""
    return wrong(apply=lambda self, image, drawn: change(image, drawn, lambda: Dust.apply(self, image, drawn)))


def made(change):
    """A degradation that makes something else of a draw."""
    return wrong(make=lambda self, draw: change(draw, Dust.make(self, draw)))


def drawn_by_hand(self, shape, generator, *, severity=None, kind=None):
    known = kind if kind in self.kinds else None
    return Degradation.draw(self, shape, generator, severity=severity, kind=known)


def in_place(image, drawn, right):
    degraded = right()
    image.mul_(0.5)
    return degraded


ALONE = Severity("opacity", "%", 0, 10, 70, 35)
BREAKERS = {
    "an order beyond the file": (wrong(order=500), "its class attributes make sense"),
    "one kind twice": (wrong(kinds=("even", "even")), "its class attributes make sense"),
    "shares below 0": (wrong(shares=(-1.0, 2.0)), "its class attributes make sense"),
    "a scale that does not invert": (
        wrong(severity=type("Odd", (Severity,), {"value": lambda s, f: 1 + 70 * f})("x", "", 0, 10, 70, 35)),
        "its class attributes make sense",
    ),
    "double precision": (
        applied(lambda image, drawn, right: right().double()),
        "apply returns pictures of the same shape and type, finite and in range",
    ),
    "even sides only": (
        applied(lambda image, drawn, right: right()[..., : image.shape[-1] // 2 * 2]),
        "apply returns pictures of the same shape and type, finite and in range",
    ),
    "a part for the whole batch": (
        made(lambda draw, right: Realisation(draw.severity, {**right.parts, "light": draw.uniform(1)[:1]})),
        "a realisation has a row for each picture",
    ),
    "training beyond off": (
        wrong(spread=lambda self, u, kinds: -1 - u),
        "a realisation has a row for each picture",
    ),
    "a tint that is always there": (
        applied(lambda image, drawn, right: right() + 0.01),
        "severity.off leaves the picture alone",
    ),
    "a kind that does nothing": (
        applied(lambda image, drawn, right: torch.where(drawn.are("rising").view(-1, 1, 1, 1), image, right())),
        "every kind changes the picture at the typical severity",
    ),
    "stronger is nearer": (
        made(lambda draw, right: Realisation((75 - draw.severity) * (draw.severity > 0), right.parts)),
        "stronger is further away",
    ),
    "one kind has one strength": (
        made(
            lambda draw, right: Realisation(
                torch.where(draw.are("rising") & (draw.severity > 0), 35.0, draw.severity), right.parts
            )
        ),
        "stronger is further away",
    ),
    "randomness of its own": (
        made(lambda draw, right: Realisation(draw.severity, {"grain": torch.rand_like(right["grain"])})),
        "the same generator gives the same picture",
    ),
    "no randomness": (
        wrong(
            make=lambda self, draw: Realisation(draw.severity, {"grain": 0.9 * draw.uniform(1, 1, 1).ceil()}),
            spread=lambda self, u, kinds: 35 + 0 * u,
            kinds=("rising",),
        ),
        "another seed gives another picture",
    ),
    "randomness in apply": (
        applied(lambda image, drawn, right: right() + drawn.severity.mean() * 1e-3 * torch.rand_like(image)),
        "apply is deterministic and leaves what it is given as it is",
    ),
    "a picture changed in place": (
        applied(in_place),
        "apply is deterministic and leaves what it is given as it is",
    ),
    "a realisation changed in place": (
        applied(lambda image, drawn, right: (right(), drawn["grain"].mul_(1.5))[0]),
        "apply is deterministic and leaves what it is given as it is",
    ),
    "light from the whole batch": (
        applied(lambda image, drawn, right: right() + drawn.severity.view(-1, 1, 1, 1) * 1e-3 * image.mean()),
        "pictures of a batch do not see each other",
    ),
    "any kind": (wrong(draw=drawn_by_hand), "an unknown kind is refused with the kinds there are"),
    "tensors of the CPU": (
        made(lambda draw, right: Realisation(draw.severity, {"grain": torch.ones(right["grain"].shape)})),
        "it is drawn on the generator's device, or says draws_on_cpu",
    ),
    "a value asked for": (
        applied(lambda image, drawn, right: right() if float(drawn.severity.max()) > 0 else image),
        "it is drawn on the generator's device, or says draws_on_cpu",
    ),
    "an error": (
        applied(lambda image, drawn, right: image[5]),
        "apply returns pictures of the same shape and type, finite and in range",
    ),
}


def test_a_good_stranger_keeps_every_law():
    report = check_degradation(Dust(), size=24)
    report.require()
    assert report.ok and len(report.laws) >= 12 and {law.of for law in report.laws} == {"degradation dust"}


@pytest.mark.parametrize(("degradation", "law"), BREAKERS.values(), ids=BREAKERS)
def test_a_law_is_broken_by_who_breaks_it(degradation, law):
    report = check_degradation(degradation, size=24)
    assert law in {each.name for each in report.broken}
    with pytest.raises(AssertionError, match="not so") as raised:
        report.require()
    assert all(each.remedy and str(each) in str(raised.value) for each in report.broken)


def test_every_law_has_one_who_breaks_it():
    assert {law for _, law in BREAKERS.values()} == {law.name for law in check_degradation(Dust(), size=24).laws}


def test_a_degradation_that_says_that_it_draws_on_the_cpu_may():
    slow = made(lambda draw, right: Realisation(draw.severity, {"grain": right["grain"].cpu()}))
    type(slow).draws_on_cpu = True
    assert check_degradation(slow, size=24).ok


def test_a_law_by_itself_is_required_by_itself():
    kept, broken = Law("a", True, "1 dB", of="x"), Law("b", False, "2 dB", "Do this.", "x")
    kept.require()
    with pytest.raises(AssertionError, match=r"x: not so: b: 2 dB\. Do this\."):
        broken.require()
    assert Report("x", (kept, broken)).broken == (broken,)
