"""Pixels as a file holds them, v = x * peak, and as the mathematics wants them, x in [0, 1].

A picture of 100 megapixels takes 0.3 GB in 8 bits and 1.2 GB in floating point: so it stays as the file holds it,
and only what is worked on at the moment, a tile or a band, is made floating.
"""

import torch
from torch import Tensor

__all__ = ["DTYPES", "PEAKS", "as_float", "as_values"]

PEAKS = {8: 255, 16: 65_535, 32: 1}  # the value of white, by depth
DTYPES = {8: torch.uint8, 16: torch.uint16, 32: torch.float32}
DEPTHS = {dtype: depth for depth, dtype in DTYPES.items()}


def as_float(values: Tensor) -> Tensor:
    """x in [0, 1], float32. values: any shape, floating, uint8 or uint16."""
    return values.float() if values.is_floating_point() else values.float().div_(PEAKS[DEPTHS[values.dtype]])


def as_values(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The inverse: clipped to [0, 1] and rounded for an integer type. x: any shape, floating."""
    if dtype.is_floating_point:
        return x.to(dtype)
    return x.clamp(0, 1).mul_(PEAKS[DEPTHS[dtype]]).round_().to(torch.int32).to(dtype)
