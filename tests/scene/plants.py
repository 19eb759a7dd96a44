"""Plants, and the flag in the wind: points, each a small square of light."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tests.scene.basics import (
    ALONG,
    CORNER,
    DEEP,
    FINE,
    NEAR,
    PATCH,
    SUN,
    UP,
    Array,
    Model,
    Points,
    lit,
    mix,
    rgb,
    step,
    unit,
)
from tests.scene.world import World


def grow(world: World) -> None:
    """Plant a world: its points, and the shade that the trees cast."""
    trees = woods(world)
    world.shade = shadows(np.concatenate([places for places, _, _ in trees]), world.rng)
    world.points = joined([*trees, *meadow(world), *flag()])


def joined(parts: list[Points]) -> Points:
    points, light, size = (np.concatenate(column).astype(np.float32) for column in zip(*parts, strict=True))
    order = np.argsort(-points[:, 2], kind="stable")  # as `splat` wants them
    return points[order], light[order], size[order]


def conifer(rng: np.random.Generator, branches: int, twigs: int, needles: int) -> Model:
    """Needles on twigs on branches, which droop and turn up at their ends."""
    level = np.sort(rng.uniform(0.05, 1, (branches, 1, 1)), 0) ** 0.9
    turn = rng.uniform(0, 2 * np.pi, (branches, 1, 1))
    reach = rng.uniform(0.6, 1.1, (branches, 1, 1)) * (0.22 * (1.02 - level) ** 0.8 + 0.008)
    start = rng.uniform(0.05, 1, (branches, twigs, 1))
    length = rng.uniform(0.3, 0.5, start.shape) * (1.15 - start) * rng.choice([-1, 1], start.shape)
    tip = np.linspace(0, 1, needles)
    along, aside = start + 0.6 * np.abs(length) * tip, length * tip * reach
    out = along * reach
    x, z = out * np.cos(turn) - aside * np.sin(turn), out * np.sin(turn) + aside * np.cos(turn)
    y = level - 0.3 * out - 0.35 * np.abs(aside) + 0.9 * out**2 + rng.normal(0, 0.0015, out.shape)
    openness = (0.2 + 0.8 * along.clip(0, 1) ** 1.5) * rng.uniform(0.6, 1.3, start.shape)
    normal = unit(np.cos(turn), 0.5 + 0 * x, np.sin(turn))
    return np.stack([x, y, z], -1).reshape(-1, 3), normal.reshape(-1, 3), openness.ravel()


def tuft(rng: np.random.Generator, joints: int) -> Model:
    """Bent blades of grass."""
    t = np.linspace(0, 1, joints)[:, None] * np.ones((9, 1, 1))
    root, lean = rng.normal(0, 0.22, (2, 9, 1, 3)) * rgb(1, 0, 1)
    blades = root + rng.uniform(0.4, 1, (9, 1, 1)) * (t * UP + t**2 * (2.2 * lean + rgb(0.25, -0.35, 0)))
    normal = unit(*np.moveaxis(lean + rgb(-0.4, 0.8, -0.4) + 0 * t, -1, 0))
    openness = (0.1 + 1.1 * t) * rng.uniform(0.4, 1.6, (9, 1, 1))
    return blades.reshape(-1, 3), normal.reshape(-1, 3), openness.ravel()


def pebble(rng: np.random.Generator, count: int) -> Model:
    """The upper half of a stone."""
    normal = unit(*rng.normal(0, 1, (3, count)))
    normal[:, 1] = np.abs(normal[:, 1])
    return normal * rgb(1, 0.6, 0.8), normal, 0.25 + 0.9 * normal[:, 1]


def flower(rng: np.random.Generator) -> Model:
    """The head only: its stalk is one among the grass."""
    normal = unit(*rng.normal(0, 1, (3, 14)))
    return 0.05 * normal + UP, normal, np.ones(14, np.float32)


def placed(world: World, model: Model, roots: Array, tall: Array, tint: Array, size: float) -> Points:
    """Copies of a model at roots (x, z), shape (N, 2), each `tall`, of its own tint (N, 3)."""
    places, normal, openness = (part.astype(np.float32) for part in model)
    (x, z), tall = roots.T.astype(np.float32), tall.astype(np.float32)
    shape = world.rng.uniform(0.75, 1.25, (len(x), 1, 3)).astype(np.float32) ** rgb(1, 0.3, 1)
    foot = np.stack([x, world.ground(x, z) - 0.02 * tall, z], 1)[:, None]
    points = foot + places * (shape * tall[:, None, None])
    albedo = tint[:, None].astype(np.float32) * openness[:, None]
    light = lit(albedo, normal, z[:, None], world.sunny(x, z)[:, None])
    return points.reshape(-1, 3), light.reshape(-1, 3), np.full(light[..., 0].size, size)


def woods(world: World) -> list[Points]:
    """Conifers: woods beyond the lake, some by the cabin, and one beside the camera, whose shadow is seen."""
    rng = world.rng
    x, z = rng.uniform(-2500, 2500, 90000), rng.uniform(0, 1, 90000) ** 1.5 * 3200 + 300
    height, stand = world.ground(x, z), world.noise(x, z, 1500)[:, 1]
    wood = (height > 2.5) & (height < 450) & (np.abs(x) < 0.7 * z) & (stand < rng.normal(0.5, 0.3, x.shape))
    far = np.stack([x, z, rng.uniform(9, 24, x.shape)], 1)[wood][:6000]
    near_x, near_z, near_tall = (
        (15.5, 18, 14, 10, 20, 5.8, 22, -11),
        (27, 33, 39, 39, 40, 37, 36, 0),
        (11, 14, 15, 12, 16, 8, 13, 11),
    )
    near = np.stack([near_x, near_z, near_tall], 1)
    trees = [(part, conifer(rng, 16, 6, 1), 1.3) for part in np.array_split(far, 6)]
    parts = []
    for where, model, size in trees + [(tree[None], conifer(rng, 220, 40, 7), 0.05) for tree in near]:
        light, yellow = rng.uniform(0.6, 1.4, (len(where), 1)), rng.uniform(0, 1, (len(where), 1))
        tint = rgb(0.035, 0.058, 0.022) * light + rgb(0.03, 0.015, 0) * yellow
        parts.append(placed(world, model, where[:, :2], where[:, 2], tint, size))
    return parts


def shadows(points: Array, rng: np.random.Generator) -> torch.Tensor:
    """Sunlight that the trees (and the cabin) leave to the near bank, plane (1, FINE, FINE)."""
    cabin = CORNER + rng.uniform(0, 1, (90000, 3)) @ np.stack([7 * ALONG, 3.5 * UP, 5 * DEEP])
    points = np.concatenate([points[points[:, 2] < NEAR], cabin])
    fallen = (points - SUN * ((points[:, 1:2] - 1) / SUN[1])) * (FINE / PATCH)
    counts = np.histogram2d(fallen[:, 2], fallen[:, 0], FINE, [[0, FINE], [-FINE / 2, FINE / 2]])[0]
    return torch.exp(-0.3 * F.avg_pool2d(torch.from_numpy(counts.astype(np.float32))[None], 3, 1, 1))


def meadow(world: World) -> list[Points]:
    """Grass and flowers on the bank, pebbles down to the water."""
    rng = world.rng
    z = 4.8 + 30 * rng.uniform(0, 1, 20000) ** 1.7
    x = rng.uniform(-0.62, 0.62, len(z)) * z
    noise, height = world.noise(x, z, 7), world.ground(x, z)
    level = height + 0.10 * noise[:, 0] + rng.normal(0, 0.07, len(z))
    dry = step(-0.8, 2.6, noise[:, 1] + rng.normal(0, 0.7, len(z)))
    green = mix(rgb(0.038, 0.072, 0.016), rgb(0.16, 0.135, 0.05), dry)
    stone = mix(rgb(0.13, 0.13, 0.135), rgb(0.30, 0.25, 0.19), dry) * rng.uniform(0.5, 1.5, (len(z), 1))
    stone = stone * (0.4 + 0.6 * step(0, 0.12, height))[:, None]
    bloom = mix(rgb(0.75, 0.70, 0.60), rgb(0.75, 0.55, 0.02), rng.integers(0, 2, len(z)))
    tall = rng.uniform(0.10, 0.28, len(z)) * (1 + 1.5 * step(-0.5, 2, noise[:, 2]))
    tall = tall * rng.choice([1, 1, 1, 1, 1.8], len(z))
    wide = 0.035 + 0.03 * rng.exponential(1, len(z))
    grass, stony = level > 0.72, (level > -0.35) & (level < 0.8) & (z < 22)
    flowery = grass & (noise[:, 0] + rng.normal(0, 0.6, len(z)) > 1.7) & (z < 20)
    parts = []
    for turn in np.arange(len(z)) % 8 == np.arange(8)[:, None]:
        for model, where, high, tint, size in (
            (tuft(rng, 16), grass & (z < 9), tall, green, 0.009),
            (tuft(rng, 8), grass & (z >= 9), tall, green, 0.013),
            (pebble(rng, 80), stony, wide, stone, 0.020),
            (flower(rng), flowery, 1.05 * tall, bloom, 0.010),
        ):
            which = where & turn
            parts.append(placed(world, model, np.stack([x, z], 1)[which], high[which], tint[which], size))
    return parts


def flag() -> list[Points]:
    """A checkered flag on a pole, in the wind."""
    u, v = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1.3, 200), np.linspace(0, 0.9, 140)))
    root = rgb(-4.6, 0.8, 8.8)
    swing = 5 * u - 0.8 * v
    cloth = root + np.stack([0.95 * u, 2.2 + v - 0.12 * u**2, 0.12 * u * np.sin(swing)], 1)
    normal = unit(0.7 * u * np.cos(swing) + 0.1 * np.sin(swing), 0.15 + 0 * u, -np.ones_like(u))
    dark = np.mod(np.floor(u / 0.217) + np.floor(v / 0.225), 2)
    pole = root + np.stack([0 * u - 0.02, 3.2 * u / 1.3, 0 * u], 1)
    paint = lit(mix(rgb(0.75, 0.73, 0.70), rgb(0.015, 0.015, 0.02), dark), normal, 0 * u)
    return [(cloth, paint, 0 * u + 0.012), (pole, 0 * paint + rgb(0.35, 0.30, 0.26), 0 * u + 0.03)]
