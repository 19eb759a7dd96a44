"""A camera and its picture."""

from __future__ import annotations

import numpy as np

from tests.scene.basics import FOCAL, HORIZON, NEAR, SPAN, UP, Array, Look, lit, unit
from tests.scene.world import World


class Canvas:
    """A pinhole camera's picture, linear light (H, W, 3), and how far away everything on it is (H, W)."""

    def __init__(self, height: int, width: int, eye: float) -> None:
        self.height, self.width, self.eye = height, width, eye
        self.focal, self.horizon = FOCAL * height, HORIZON * height
        self.colour = np.zeros((height, width, 3), np.float32)
        self.depth = np.full((height, width), np.inf, np.float32)

    def rays(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        """Distance right and up that the pixels' rays go in a metre of depth."""
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
