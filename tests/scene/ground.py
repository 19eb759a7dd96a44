"""Sky, mountains, bank and lake, as a camera sees them."""

from __future__ import annotations

import numpy as np

from tests.scene.basics import (
    EYE,
    FOCAL,
    HAZE,
    HORIZON,
    NEAR,
    SPAN,
    Array,
    lit,
    mix,
    planes,
    rgb,
    sampled,
    step,
    unit,
)
from tests.scene.cabin import cabin, fence
from tests.scene.canvas import Canvas
from tests.scene.world import World


def rendered(world: World, canvas: Canvas, below: Array | None = None) -> Array:
    """Linear light, shape (H, W, 3). below: what the water shows; without it there is none."""
    canvas.march(world)
    rows, columns = np.indices(canvas.depth.shape).reshape(2, -1)
    right, up = canvas.rays(rows, columns)
    z = canvas.depth.ravel()
    colour = canvas.colour.reshape(-1, 3)
    air = np.isinf(z)
    wet = ~air
    wet[wet] = world.ground(right[wet] * z[wet], z[wet]) <= 0
    colour[air] = sky(world, right[air], up[air])
    for land, part in ((mountainside, (z > NEAR) & ~wet & ~air), (bank, (z <= NEAR) & ~wet)):
        colour[part] = land(world, right[part] * z[part], z[part])
    if below is not None:
        colour[wet] = lake(world, right[wet], up[wet], below)
    cabin(world, canvas)
    fence(world, canvas)
    canvas.splat(*world.points)
    return canvas.colour


def sky(world: World, right: Array, up: Array) -> Array:
    """Blue above, pale below and towards the sun; clouds on a sheet overhead, brighter on the sun's side."""
    blue = mix(HAZE, rgb(0.06, 0.20, 0.62), 1 - np.exp(-2.8 * up.clip(0)))
    blue = blue + mix(rgb(0, 0, 0), rgb(0.25, 0.20, 0.12), np.exp(-1.5 * (right + 0.7).clip(0) - 4 * up.clip(0)))
    x, y = right / (up.clip(0) + 0.10), 1.2 / (up.clip(0) + 0.10)
    warp = world.noise(x, y, 9)
    x, y = x + 0.25 * warp[:, 0], y + 0.25 * warp[:, 1]
    cloud = world.noise(x, y, 16)[:, 2] + 0.22 * warp[:, 2]
    toward = world.noise(x - 0.12, y - 0.08, 16)[:, 2] + 0.22 * warp[:, 2]
    light = 1 + 0.30 * np.tanh(2 * (cloud - toward)) - 0.22 * step(0.8, 2.0, cloud)
    return mix(blue, light[:, None] * rgb(1.5, 1.42, 1.34), 0.95 * step(0.1, 1.5, cloud) * step(0.0, 0.12, up))


def mountainside(world: World, x: Array, z: Array) -> Array:
    """Rock in strata, snow where it is high and flat enough, woods and meadows below."""
    height, slope_x, slope_z, sun = world.mapped(x, z).T
    coarse, fine = world.noise(x, z, 1700), world.noise(x + 0.4 * z, 1.4 * height + 0.7 * z, 220)
    normal = unit(-slope_x - 0.28 * fine[:, 0], np.ones_like(x), -slope_z - 0.28 * fine[:, 1])
    strata = 1 + 0.22 * fine[:, 2] + 0.15 * np.sin(height / 23 + 3 * coarse[:, 0])
    green = mix(rgb(0.018, 0.030, 0.015), rgb(0.085, 0.095, 0.03), step(0.2, 1.2, coarse[:, 1] + 0.4 * fine[:, 2]))
    wooded = step(0.45, 0.75, normal[:, 1] + 0.08 * fine[:, 0]) * step(0, 260, 620 + 130 * coarse[:, 2] - height)
    snowed = step(0.45, 0.66, normal[:, 1] + 0.12 * fine[:, 1]) * step(0, 200, height - 650 - 150 * coarse[:, 0])
    albedo = mix(mix(strata[:, None] * rgb(0.16, 0.145, 0.135), green, wooded), rgb(0.80, 0.83, 0.88), snowed)
    return lit(albedo, normal, z, sun)


def bank(world: World, x: Array, z: Array) -> Array:
    """Soil under the grass, gravel by the lake, wet and dark at its edge and in it."""
    height, noise, grit = world.ground(x, z), world.noise(x, z, 7), world.noise(x, z, 1.3)
    gravel = mix(rgb(0.13, 0.115, 0.10), rgb(0.26, 0.23, 0.19), step(-1, 2, grit[:, 0] + noise[:, 2]))
    gravel = gravel * (0.4 + 0.6 * step(-0.02, 0.15, height + 0.03 * noise[:, 1]))[:, None]
    soil = mix(rgb(0.05, 0.042, 0.025), rgb(0.05, 0.068, 0.022), step(-1, 1, noise[:, 1] + 0.5 * grit[:, 1]))
    albedo = mix(gravel, soil, step(0.6, 0.8, height + 0.10 * noise[:, 0]))
    return lit(albedo, unit(0.25 * grit[:, 1], np.ones_like(x), 0.25 * grit[:, 2]), z, world.sunny(x, z))


def lake(world: World, right: Array, up: Array, below: Array) -> Array:
    """The view from below, through ripples, over the lake's bed; the flatter the look, the more (Fresnel)."""
    z = (EYE / -up).clip(0, SPAN)
    x, size = right * z, below.shape[0]
    gust = 0.009 * np.exp(0.7 * world.noise(x * 0.4, z, 500)[:, 0]) / (1 + z / 150)
    shown = np.zeros((len(z), 3), np.float32)
    for i in range(3):
        blurred = z * (1 + 0.0004 * i * z)  # by the depth that a pixel far out spans
        swell, ripple = (world.noise(x * 0.4, blurred, period)[:, :2] for period in (19, 2.7))
        wave = (swell + 0.6 * ripple / (1 + (z[:, None] / 40) ** 2)) * gust[:, None]
        row = (HORIZON - FOCAL * np.abs(2 * wave[:, 0] - up)) * size - 0.5
        column = (right + 0.7 * wave[:, 1]) * FOCAL * size + below.shape[1] / 2 - 0.5
        shown += sampled(planes(below), row, column) / 3
    bed = world.ground(x, z.clip(max=NEAR - 1))
    body = bank(world, x, z.clip(max=NEAR)) * np.exp(bed[:, None] * rgb(5, 2.6, 3.0)) + rgb(0.010, 0.045, 0.050)
    return mix(body, shown, 0.03 + 0.97 * (1 - np.sin(np.arctan(-up))) ** 5)
