"""Measures of the place, colours, and the arithmetic that all else shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

Array = np.ndarray
Look = Callable[[Array, Array], tuple[Array, Array]]  # places (u, v) in metres -> albedo, upward tilt
Points = tuple[Array, Array, Array]  # places (N, 3), light (N, 3), sizes in metres (N,)
Model = tuple[Array, Array, Array]  # of height 1: places (N, 3), normals (N, 3), openness to the sky (N,)


def rgb(*values: float) -> Array:
    return np.array(values, np.float32)


FOCAL, HORIZON = 1.3, 0.54  # the lens, and where the horizon is, in heights of the picture
EYE, NEAR = 3.2, 100.0  # height of the camera; how far the near bank goes, before the map of the mountains
SPAN, CELLS = 12000.0, 1280  # that map's side, in metres and in cells
PATCH, FINE = 80.0, 800  # the same for the map of shadows on the near bank
SUN, SUNLIGHT, SKYLIGHT = rgb(-0.707, 0.455, -0.541), rgb(3.6, 2.9, 2.1), rgb(0.36, 0.50, 0.76)
HAZE, CLEAR = rgb(0.60, 0.73, 0.92), rgb(30000, 21000, 13000)  # metres of air that leave 1/e of a colour
UP = rgb(0, 1, 0)
ALONG, DEEP, CORNER = rgb(0.94, 0, 0.34), rgb(-0.34, 0, 0.94), rgb(7.0, 0.85, 25.5)  # of the cabin


def step(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array, b: Array, share: Array) -> Array:
    return a + (b - a) * share[..., None]


def unit(*xyz: Array) -> Array:
    vector = np.stack(np.broadcast_arrays(*xyz), -1)
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def random(k: Array, salt: float = 0.0) -> Array:
    """A fixed number in [0, 1) for each whole number."""
    return np.mod(np.sin(k * 12.9898 + salt * 78.233) * 437.585453, 1).astype(np.float32)


def planes(image: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)


def sampled(maps: torch.Tensor, rows: Array, columns: Array) -> Array:
    """maps (C, H, W) at fractional places (N,), as (N, C); beyond the border its last value goes on."""
    places = np.stack([2 * columns / (maps.shape[2] - 1) - 1, 2 * rows / (maps.shape[1] - 1) - 1], -1)
    grid = torch.from_numpy(places.astype(np.float32))[None, None]
    return F.grid_sample(maps[None], grid, "bilinear", "border", True)[0, :, 0].T.numpy()


def lit(albedo: Array, normal: Array, z: Array, sun: Array | float = 1.0) -> Array:
    """Light from a surface, at the camera: of the sun and the sky, less and bluer through the air."""
    facing = (normal @ SUN).clip(0) * sun
    light = albedo * (facing[..., None] * SUNLIGHT + (0.6 + 0.4 * normal[..., 1:2]) * SKYLIGHT)
    return HAZE + (light - HAZE) * np.exp(-z[..., None] / CLEAR)
