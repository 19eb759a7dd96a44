"""Buildings: a cabin and a fence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tests.scene.basics import ALONG, CORNER, DEEP, UP, Array, Look, mix, random, rgb, step, unit
from tests.scene.canvas import Canvas
from tests.scene.world import World


def laid(world: World, base: Array, wide: float, tall: float, bulge: float = 0, bars: Array | None = None) -> Look:
    """Logs, boards, tiles, stones: rows of pieces of their own tint and grain, every other row shifted. With the
    colour of their bars: panes."""

    def look(u: Array, v: Array) -> tuple[Array, Array]:
        row, t = np.divmod(v / tall, 1)
        column, s = np.divmod(u / wide + (0.5 * np.mod(row, 2) + 0.2 * random(row)) * (bars is None), 1)
        piece = column + 71 * row
        grain = world.noise(u * 0.3 + 3.7 * row, v * 2.2, 2.7)
        tint = 0.6 + 0.6 * random(piece, 1) + 0.22 * grain[:, 0] - 0.2 * step(1.1, 1.8, grain[:, 1])
        colour = mix(base, base * rgb(0.8, 1.05, 1.15), step(-1, 2, grain[:, 2] + random(piece, 2)))
        inner = step(0, 0.05 / wide, np.minimum(s, 1 - s)) * step(0, 0.03 / tall, np.minimum(t, 1 - t))
        return mix(base * 0.12 if bars is None else bars, colour * tint[:, None], inner), bulge * (2 * t - 1)

    return look


def at(along: float, deep: float, up: float) -> Array:
    return CORNER + rgb(along, deep, up) @ np.stack([ALONG, DEEP, UP])


def cabin(world: World, canvas: Canvas) -> None:
    """A cabin of logs on a stone footing: 7 by 5 metres, 2.75 to the eaves, 5.05 to the ridge."""
    logs, dim = (laid(world, brown, 9, 0.24, 0.9) for brown in (rgb(0.17, 0.10, 0.055), rgb(0.07, 0.05, 0.035)))
    stone, tiles = (
        laid(world, rgb(0.2, 0.19, 0.17), 0.45, 0.21),
        laid(world, rgb(0.17, 0.08, 0.06), 0.3, 0.27, 0.2),
    )
    board, door = laid(world, rgb(0.12, 0.075, 0.045), 9, 0.3), laid(world, rgb(0.06, 0.12, 0.10), 0.19, 9)
    panes = laid(world, rgb(0.08, 0.11, 0.14), 0.5, 0.55, 0, rgb(0.55, 0.52, 0.46))

    def gable(u: Array, v: Array) -> tuple[Array, Array]:
        albedo, tilt = logs(u, v)
        return albedo, np.where(v < 5.05 - 2.3 * np.abs(u / 2.5 - 1), tilt, np.nan)

    for corner, along, size, look in (
        (at(0, 0, 0), ALONG, (7, 2.75), logs),
        (at(0, 0, 0), DEEP, (5, 5.05), gable),
        (at(0, -0.02, 1.92), ALONG, (7, 0.83), dim),  # in the shadow of the eaves
        (at(0, -0.04, 0), ALONG, (7, 0.42), stone),
        (at(-0.04, 0, 0), DEEP, (5, 0.42), stone),
        (at(0.9, -0.04, 1.2), ALONG, (1, 1.1), panes),
        (at(4.9, -0.04, 1.2), ALONG, (1, 1.1), panes),
        (at(-0.04, 2, 1.3), DEEP, (1, 1.1), panes),
        (at(2.9, -0.08, 0.3), ALONG, (0.95, 2), door),
        (at(5.2, 2.9, 4), ALONG, (0.8, 2), stone),
        (at(5.2, 2.9, 4), DEEP, (0.7, 2), stone),
    ):
        canvas.face(corner, along, UP, size, look)
    for end, turn, look in ((-0.44, 1, tiles), (5.44, -1, board)):
        slope = (2.5 * turn * DEEP + 2.3 * UP) / np.hypot(2.5, 2.3)
        canvas.face(at(-0.5, end, 2.4), ALONG, slope, (8, 4), look)
        canvas.face(at(-0.52, end, 2.4), slope, np.cross(ALONG, slope) * turn, (4, 0.17), board)
    canvas.face(at(-0.5, -0.44, 2.24), ALONG, UP, (8, 0.16), board)


def fence(world: World, canvas: Canvas) -> None:
    x = np.linspace(-9.5, -0.2, 8)
    z = world.edge(x) - 2.6 + 0.5 * np.sin(2 * x)
    posts = np.stack([x, world.ground(x, z) - 0.1, z], 1).astype(np.float32)
    upright, rail = laid(world, rgb(0.17, 0.14, 0.11), 0.12, 3), laid(world, rgb(0.19, 0.16, 0.13), 9, 0.11, 0.9)
    for post in posts:
        canvas.face(post, rgb(1, 0, 0), UP, (0.12, 1.3 + 0.1 * np.sin(9 * post[0])), upright)
    for start, end in pairwise(posts):
        along = unit(*(end - start))
        for high in (0.55, 0.98):
            low = start + high * UP - rgb(0, 0, 0.05)
            canvas.face(
                low, along, unit(*(UP - along * along[1])), (float(np.linalg.norm(end - start)), 0.11), rail
            )
