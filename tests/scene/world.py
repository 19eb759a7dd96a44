"""The ground: mountains, bank and lake bed, the light on them, and what grows."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tests.scene.basics import CELLS, FINE, NEAR, PATCH, SPAN, Array, Points, sampled, step


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
    """Everything that the seed decides: the ground, and what `plants.grow` puts on it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.tile, self.map = rng, fractal(rng), mountains(rng)
        self.shade = torch.ones(1, FINE, FINE)
        nothing = np.zeros((0, 3), np.float32)
        self.points: Points = (nothing, nothing, nothing[:, 0])

    def noise(self, x: Array, y: Array, period: float) -> Array:
        """Fractal noise (N, 3) at places in metres, repeating after `period`."""
        size, x, y = self.tile.shape[1] - 1, x / period, y / period
        return sampled(self.tile, (y - np.floor(y)) * size, (x - np.floor(x)) * size)

    def mapped(self, x: Array, z: Array) -> Array:
        return sampled(self.map, z * (CELLS / SPAN), (x + SPAN / 2) * (CELLS / SPAN))

    def sunny(self, x: Array, z: Array) -> Array:
        return sampled(self.shade, z * (FINE / PATCH), (x + PATCH / 2) * (FINE / PATCH))[:, 0]

    def edge(self, x: Array) -> Array:
        """The near bank's border on the lake, as depth z."""
        return 11.5 + 29 * step(-2, 8, x) + 1.2 * np.sin(x * 0.9) + 0.6 * np.sin(x * 2.3 + 1)

    def ground(self, x: Array, z: Array) -> Array:
        """Height above the water; below 0 is the lake's bed."""
        return np.where(z < NEAR, 1.3 * np.tanh((self.edge(x) - z) / 5), self.mapped(x, z)[:, 0])
