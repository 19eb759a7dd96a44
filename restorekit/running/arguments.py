"""Arguments of the restorer, checked before anything is computed: an error names what came and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

import torch
from torch import Tensor

from restorekit.errors import ImageError, MixingError
from restorekit.image import check_batch

__all__ = [
    "check_guidance",
    "check_pictures",
    "check_result_type",
    "check_visible",
    "check_weights",
    "check_whole",
]

MOST_GUIDED = 2.0  # beyond it nothing was measured
SLACK = 1e-3  # beyond [0, 1]: rounding of whoever made the batch, and clipped in the result


def check_pictures(image: Tensor, *, unclipped: bool = False) -> None:
    """Raise ImageError unless image is a batch (B, 3, H, W) in uint8 or uint16, or floating in [0, 1].

    unclipped: let finite values lie beyond, as those of noise do that no file has clipped yet.
    """
    check_batch(image)
    if not image.is_floating_point():
        return
    low, high = (float(value) for value in image.detach().aminmax())  # NaN if there is one
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise ImageError("the batch holds NaN or infinite values; repair them first, as by torch.nan_to_num")
    if not unclipped and (low < -SLACK or high > 1 + SLACK):
        levels = low >= 0 and 2 < high <= 255
        remedy = "divide it by 255, or give it as uint8" if levels else "scale or clip it, or say unclipped=True"
        raise ImageError(f"expected values in [0, 1], got {low:.4g} to {high:.4g}; {remedy}")


def check_visible(visible: object, image: Tensor) -> None:
    """Raise ImageError unless visible is None, or a boolean mask (B, H, W) for a batch (B, 3, H, W)."""
    if visible is None:
        return
    size = (len(image), *image.shape[2:])
    if not isinstance(visible, Tensor) or visible.dtype != torch.bool or tuple(visible.shape) != size:
        got = f"{tuple(visible.shape)} {visible.dtype}" if isinstance(visible, Tensor) else type(visible).__name__
        raise ImageError(f"visible must be a boolean mask of shape {size}, got {got}; give alpha > 0")


def check_whole(**numbers: object) -> None:
    """Raise ImageError unless each number, by its name, is whole and 1 or more."""
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ImageError(f"{name} must be a whole number, 1 or more, got {value!r}")


def check_guidance(value: object) -> None:
    """Raise MixingError unless a value is a number from 0 to 2."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MOST_GUIDED:
        raise MixingError(
            f"guidance must be a number from 0 to {MOST_GUIDED:g}, got {value!r}; 1 is the plain result"
        )


def check_result_type(dtype: object) -> None:
    """Raise ImageError unless a restored batch can be of that type."""
    known = isinstance(dtype, torch.dtype) and (dtype.is_floating_point or dtype in (torch.uint8, torch.uint16))
    if not known:
        raise ImageError(f"dtype must be torch.float32, torch.uint8 or torch.uint16, got {dtype}")


def check_weights(weights: object) -> None:
    """Raise MixingError unless weights are numbers by name of a basis, or None."""
    if weights is None:
        return
    if not isinstance(weights, Mapping):
        raise MixingError(f"weights must be numbers by name, as {{'noise': 1.0}}, got {type(weights).__name__}")
    for name, value in weights.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise MixingError(f"weight {name} must be a number, got {value!r}; give float(value)")
