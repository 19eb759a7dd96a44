"""Laws of what strangers' degradations may hand back."""

import pytest
import torch
from torch import Generator

from restorekit.composition import Compose, Step
from restorekit.degradation import Degradation, Realisation, Severity
from restorekit.errors import PluginError

SHAPE = (2, 3, 8, 8)
IMAGE = torch.rand(SHAPE, generator=Generator().manual_seed(0))


def fog(applied=lambda image: image, drawn=lambda count: Realisation(torch.ones(count))) -> Degradation:
    class Fog(Degradation):
        __module__ = "restorekit_fog.fog"
        name = "fog"
        severity = Severity("opacity", "%", 0, 10, 70, 35)
        kinds = ("even",)
        order = 5

        def draw(self, shape, generator, *, severity=None, kind=None):
            return drawn(shape[0])

        def apply(self, image, realisation):
            return applied(image)

    return Fog()


def raising(error):
    def fail(_):
        raise error

    return fail


WRONG = {
    "None": (lambda image: None, "NoneType"),
    "an array": (lambda image: image.numpy(), "ndarray"),
    "one channel": (lambda image: image.mean(1, keepdim=True), r"\(2, 1, 8, 8\)"),
    "another size": (lambda image: image[..., 1:], r"\(2, 3, 8, 7\)"),
    "one image": (lambda image: image[0], r"\(3, 8, 8\)"),
    "double precision": (lambda image: image.double(), "float64"),
    "bytes": (lambda image: (255 * image).byte(), "uint8"),
    "0 to 255": (lambda image: 255 * image, "values from .* to 25"),
    "one NaN": (lambda image: torch.where(image == image.max(), torch.nan, image), "nan"),
    "infinity": (lambda image: image / 0, "inf"),
    "minus infinity": (lambda image: image.log() / 0, "inf"),
    "an error": (raising(IndexError("no such row")), "IndexError: no such row"),
    "a wrong value": (raising(ValueError("no such mode")), "ValueError: no such mode"),
}


@pytest.mark.parametrize(("applied", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_result_of_apply_names_plugin_and_degradation(applied, said):
    composite = Compose.draw([fog(applied)], SHAPE, Generator())
    for apply in (composite.apply, composite.apply_without_each):
        with pytest.raises(PluginError, match=f"'fog' of restorekit_fog .*{said}"):
            apply(IMAGE)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (lambda count: None, "NoneType"),
        (lambda count: Realisation(1.0), "Realisation"),
        (lambda count: Realisation(torch.tensor(1.0)), r"severities \(\) for 2 images"),
        (raising(RuntimeError("no kernel")), "RuntimeError: no kernel"),
    ],
)
def test_a_wrong_realisation_names_plugin_and_degradation(drawn, said):
    with pytest.raises(PluginError, match=f"'fog' of restorekit_fog .*{said}"):
        Step.draw(fog(drawn=drawn), SHAPE, Generator())


def test_lack_of_memory_is_not_the_plugins_fault():
    with pytest.raises(MemoryError):
        Compose.draw([fog(raising(MemoryError()))], SHAPE, Generator()).apply(IMAGE)


def test_noise_may_leave_the_range():
    far = Compose.draw([fog(lambda image: image + 2)], SHAPE, Generator()).apply(IMAGE)
    assert torch.equal(far, IMAGE + 2)
