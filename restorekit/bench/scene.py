"""A sample picture of the project's own: a cabin by a mountain lake, computed, so that no photograph is needed.

It is taken as a photograph is. A height field is marched through column by column, what grows (points) and what
was built (rectangles) goes into the same depth buffer, the lake shows a second view from below the water, light
adds up linearly. Twice the size is rendered, reduced as by a lens, then developed. Metres; x right, y up, z away.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

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


def scene(height: int = 512, width: int = 768, seed: int = 0) -> torch.Tensor:
    """The picture, shape (1, 3, height, width), in [0, 1]. Composed for 3:2; a seed has one picture."""
    world = World(np.random.default_rng(seed))
    below = rendered(world, Canvas(height, width, -EYE))  # ripples blur it anyway: single size is enough
    light = rendered(world, Canvas(2 * height, 2 * width, EYE), below)
    return developed(F.interpolate(planes(light)[None], (height, width), mode="area")).contiguous()


def developed(light: torch.Tensor) -> torch.Tensor:
    """Linear light to display values: a filmic curve (Hable's: a soft toe and shoulder), then sRGB's gamma."""
    x = 2.5 * (light + 0.12 * (light - light.mean(1, keepdim=True))).clamp(min=0)
    film = 1.45 * ((x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.50) + 0.06) - 0.004 / 0.06)
    film = film.clamp(1e-6, 1)
    return torch.where(film < 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)


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


def fractal(rng: np.random.Generator, size: int = 1024) -> torch.Tensor:
    """Three planes of fractal noise that tile, of unit variance, with the first row and column repeated."""
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    noise = np.fft.irfft2(
        np.fft.rfft2(rng.standard_normal((3, size, size))) * (k >= 2) * np.maximum(k, 2) ** -1.65
    )
    return torch.from_numpy(np.pad(noise / noise.std(), ((0, 0), (0, 1), (0, 1)), "wrap").astype(np.float32))


def mountains(rng: np.random.Generator) -> torch.Tensor:
    """The map (height, slopes in x and z, sunlight) beyond the near bank, planes (4, CELLS, CELLS), rows along z.

    Musgrave's ridged multifractal: an octave counts for more where the one before it has a ridge, so that crests
    are rough and valleys smooth, as erosion leaves them.
    """
    cell = SPAN / CELLS
    z, x = np.indices((CELLS, CELLS), np.float32) * cell
    x -= SPAN / 2
    relief, weight = np.zeros_like(x), np.ones_like(x)
    for octave in range(8):
        size = 5 * 2**octave + 3
        lattice = torch.from_numpy(rng.uniform(-1, 1, (1, 1, size, size)).astype(np.float32))
        waves = F.interpolate(lattice, (CELLS, CELLS), mode="bicubic", align_corners=True)[0, 0].numpy()
        ridges = (1 - np.sqrt(waves**2 + 0.001)) ** 2 * weight
        weight = np.clip(1.8 * ridges, 0.05, 1)
        relief += 0.55**octave * (ridges - 0.3)
    inland = z - 420 - 700 * step(-250, 250, x) - 120 * relief
    valley = np.abs(x + 300 * np.sin(z / 1700) + 0.06 * z)
    height = 3 + 0.05 * inland.clip(max=0) + 0.08 * inland.clip(0, 300) + 60 * step(0, 700, inland) * relief
    height += step(0, 5200, inland) * (0.35 + 0.65 * step(200, 2600, valley)) * (1000 + 900 * relief)
    slope_z, slope_x = np.gradient(height, cell)
    climb = np.arange(CELLS, dtype=np.float32) * cell * 0.5  # sunlight from the left falls half a metre in a metre
    shadow = np.maximum.accumulate(height + climb, 1) - climb - height
    return torch.from_numpy(np.stack([height, slope_x, slope_z, np.exp(-shadow / 25)]).astype(np.float32))


class World:
    """What the seed decides, and where the ground is."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.tile, self.map = rng, fractal(rng), mountains(rng)
        self.shade = torch.ones(1, FINE, FINE)
        trees = woods(self)
        self.shade = shadows(np.concatenate([places for places, _, _ in trees]), rng)
        self.points = joined([*trees, *meadow(self), *flag()])

    def noise(self, x: Array, y: Array, period: float) -> Array:
        """Fractal noise (N, 3) at places in metres, repeating after `period`."""
        size, x, y = self.tile.shape[1] - 1, x / period, y / period
        return sampled(self.tile, (y - np.floor(y)) * size, (x - np.floor(x)) * size)

    def mapped(self, x: Array, z: Array) -> Array:
        return sampled(self.map, z * (CELLS / SPAN), (x + SPAN / 2) * (CELLS / SPAN))

    def sunny(self, x: Array, z: Array) -> Array:
        return sampled(self.shade, z * (FINE / PATCH), (x + PATCH / 2) * (FINE / PATCH))[:, 0]

    def edge(self, x: Array) -> Array:
        """Where the near bank meets the lake."""
        return 11.5 + 29 * step(-2, 8, x) + 1.2 * np.sin(x * 0.9) + 0.6 * np.sin(x * 2.3 + 1)

    def ground(self, x: Array, z: Array) -> Array:
        """Height above the water; below 0 is the lake's bed."""
        return np.where(z < NEAR, 1.3 * np.tanh((self.edge(x) - z) / 5), self.mapped(x, z)[:, 0])


class Canvas:
    """A pinhole camera's picture, linear light (H, W, 3), and how far away everything on it is (H, W)."""

    def __init__(self, height: int, width: int, eye: float) -> None:
        self.height, self.width, self.eye = height, width, eye
        self.focal, self.horizon = FOCAL * height, HORIZON * height
        self.colour = np.zeros((height, width, 3), np.float32)
        self.depth = np.full((height, width), np.inf, np.float32)

    def rays(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        """How far right and up the pixels' rays go in a metre of depth."""
        right, up = columns + 0.5 - self.width / 2, self.horizon - rows - 0.5
        return (right / self.focal).astype(np.float32), (up / self.focal).astype(np.float32)

    def project(self, points: Array) -> Array:
        """Rows and columns (2, N) of points (N, 3)."""
        scale = self.focal / points[:, 2]
        return np.stack([self.horizon - (points[:, 1] - self.eye) * scale, self.width / 2 + points[:, 0] * scale])

    def march(self, world: World) -> None:
        """The ground's depth at every pixel: of the first sample of its column that rises to it."""
        start = 3 if self.eye > 0 else NEAR  # the bank is too low to be mirrored
        far = np.geomspace(start, SPAN, 900).astype(np.float32)
        right, _ = self.rays(np.zeros(1), np.arange(self.width))
        x, z = np.broadcast_arrays(far[:, None] * right, far[:, None])
        height = world.ground(x.ravel(), z.ravel()).reshape(z.shape)
        height = np.where(height > 0, height, 0 if self.eye > 0 else -99)  # from below, water hides nothing
        rows = self.horizon - 0.5 - (height - self.eye) * self.focal / z
        tops = np.ceil(np.minimum.accumulate(rows, 0)).clip(0, self.height).astype(np.int64)
        cells = (tops * self.width + np.arange(self.width)).ravel()
        counts = np.bincount(cells, minlength=(self.height + 1) * self.width).reshape(-1, self.width)
        first = len(far) - np.cumsum(counts, 0)[:-1]
        last = first.clip(1, len(far) - 1)
        above, under = np.take_along_axis(rows, last, 0), np.take_along_axis(rows, last - 1, 0)
        share = (
            (under - np.arange(self.height, dtype=np.float32)[:, None]) / np.maximum(under - above, 1e-3)
        ).clip(0, 1)
        self.depth = np.where(
            first < len(far), far[last - 1] + (far[last] - far[last - 1]) * share, np.float32(np.inf)
        )

    def splat(self, points: Array, light: Array, size: Array) -> None:
        """Points, sorted from far to near, as squares of 1 to 4 pixels."""
        row, column = self.project(points)
        seen = (np.abs(row - self.height / 2) < self.height / 2 + 2) & (points[:, 2] > 2)
        seen &= np.abs(column - self.width / 2) < self.width / 2 + 2
        order = np.flatnonzero(seen)
        z = points[order, 2]
        width = np.clip(np.rint(size[order] * self.focal / z), 1, 4)
        y, x = (np.rint(place[order] - width / 2).astype(np.int32) + 4 for place in (row, column))
        nearest = np.full((self.height + 12, self.width + 12), -1, np.int32)  # number in `order`
        for i, j in np.ndindex(4, 4):
            wide = np.flatnonzero(width > max(i, j)).astype(np.int32)
            layer = np.full_like(nearest, -1)
            layer[y[wide] + i, x[wide] + j] = wide  # of the same cell's values, numpy keeps the last
            np.maximum(nearest, layer, out=nearest)
        nearest = nearest[4:-8, 4:-8]
        hit = (nearest >= 0) & (z[nearest] < self.depth * 1.01)
        self.colour[hit] = light[order[nearest[hit]]]

    def face(self, corner: Array, along: Array, rise: Array, size: tuple[float, float], look: Look) -> None:
        """A rectangle, `size` metres along two perpendicular unit vectors; what is NaN in its look stays open."""
        corners = [corner + size[0] * i * along + size[1] * j * rise for i in (0, 1) for j in (0, 1)]
        ends = self.project(np.stack(corners)).clip(0, [[self.height], [self.width]]).astype(int)
        (top, left), (bottom, right) = ends.min(1), ends.max(1) + 1
        part = np.s_[top:bottom, left:right]
        x, y = self.rays(*np.mgrid[part][:, : self.height - top, : self.width - left])
        normal, away = np.cross(along, rise), corner - self.eye * UP
        ray = np.stack([x, y, np.ones_like(x)], -1)
        z = (away @ normal) / (ray @ normal)
        u, v = (ray * z[..., None] - away) @ along, (ray * z[..., None] - away) @ rise
        hit = (u >= 0) & (u <= size[0]) & (v >= 0) & (v <= size[1]) & (z < self.depth[part])
        albedo, tilt = look(u[hit], v[hit])
        solid = ~np.isnan(tilt)
        hit[hit] = solid
        normal = unit(*(-np.sign(away @ normal) * normal + tilt[solid, None] * rise).T)
        self.colour[part][hit], self.depth[part][hit] = lit(albedo[solid], normal, z[hit]), z[hit]


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
    """Of logs on a stone footing: 7 by 5 metres, 2.75 to the eaves, 5.05 to the ridge."""
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
    """How much sun the trees (and the cabin) leave to the near bank, plane (1, FINE, FINE)."""
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
