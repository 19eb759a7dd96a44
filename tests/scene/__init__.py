"""A sample picture of the project's own: a cabin by a mountain lake, computed, so that no photograph is needed.

It is taken as a photograph is. A height field is marched through column by column, what grows (points) and what
was built (rectangles) goes into the same depth buffer, the lake shows a second view from below the water, light
adds up linearly. Twice the size is rendered, reduced as by a lens, then developed. Metres; x right, y up, z away.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tests.scene.basics import EYE, planes
from tests.scene.canvas import Canvas
from tests.scene.ground import rendered
from tests.scene.plants import grow
from tests.scene.world import World


def scene(height: int = 512, width: int = 768, seed: int = 0) -> torch.Tensor:
    """The picture, shape (1, 3, height, width), in [0, 1]. Composed for 3:2; a seed has one picture."""
    world = World(np.random.default_rng(seed))
    grow(world)
    below = rendered(world, Canvas(height, width, -EYE))  # ripples blur it anyway: single size is enough
    light = rendered(world, Canvas(2 * height, 2 * width, EYE), below)
    return developed(F.interpolate(planes(light)[None], (height, width), mode="area")).contiguous()


def developed(light: torch.Tensor) -> torch.Tensor:
    """Linear light to display values: a filmic curve (Hable's: a soft toe and shoulder), then sRGB's gamma."""
    x = 2.5 * (light + 0.12 * (light - light.mean(1, keepdim=True))).clamp(min=0)
    film = 1.45 * ((x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.50) + 0.06) - 0.004 / 0.06)
    film = film.clamp(1e-6, 1)
    return torch.where(film < 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)
