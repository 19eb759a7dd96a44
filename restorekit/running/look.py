"""Looks: from the restored picture x* to what a photograph looks like, by a flow that its own basis makes.

    z_0 = x* + sigma eps,    dz/ds = v(z_s, 1 - s, x*),    result = x* + look (z_1 - x*)

The velocity is what the backbone, with the look's basis alone merged at weight 1, adds to x*. The noise eps
depends on the seed and on the place in the picture, and on nothing else: tiles, strips, devices and threads give
the same picture. In K steps a pixel sees K halos far; strips take all steps at once and overlap by so much.
PMRF: Ohayon et al., "Posterior-Mean Rectified Flow", 2024, https://arxiv.org/abs/2410.00418
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from restorekit.errors import MixingError, not_mixed, unknown_name
from restorekit.image import as_float, as_values
from restorekit.model.backbone import Backbone, Predictor
from restorekit.model.flow import LOOK_STEPS, walk
from restorekit.model.mixing import Mixer, Mixture
from restorekit.model.streaming import WalkedRows
from restorekit.plugin.loading import LoadedLook
from restorekit.running.passing import Pass, Passing, finished
from restorekit.running.tiling import Beside, Grid, apply_in_strips, apply_tiled

__all__ = ["Look", "Looks", "noise_of", "shared_progress"]

BLOCK = 64  # px, side of the blocks in which noise is drawn


@dataclass(frozen=True)
class Look:
    """A look as it is wanted.

    name: of its basis.
    amount: share of the way, in (0, 1].
    steps: of the flow, K.
    seed: of the noise.
    corner: row and column of the picture's first pixel in the picture that it is a part of, for the noise.
    """

    name: str
    amount: float
    steps: int = LOOK_STEPS
    seed: int = 0
    corner: tuple[int, int] = (0, 0)

    def enlarged(self, scale: int) -> Look:
        """The same look for an enlarged picture."""
        return replace(self, corner=(self.corner[0] * scale, self.corner[1] * scale))


@dataclass(frozen=True)
class Looks:
    """The looks of a restorer.

    mixer: the backbone with their bases, which no mixture sees.
    loaded: by name, the first one the default.
    """

    mixer: Mixer
    loaded: Mapping[str, LoadedLook]
    passing: Passing

    @classmethod
    def of(cls, loaded: Mapping[str, LoadedLook], backbone: Backbone, passing: Passing) -> Looks:
        """Make the looks of a backbone. loaded: by name, the default first."""
        mixer = Mixer(backbone, {name: look.layers for name, look in loaded.items()})
        return cls(mixer, dict(loaded), passing)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the looks, the default first."""
        return tuple(self.loaded)

    def refuse(self, names: Iterable[str]) -> None:
        """Raise MixingError for a look among names of bases of a mixture."""
        for name in names:
            if name in self.loaded:
                raise MixingError(not_mixed(name))

    def wanted(
        self,
        look: float | Mapping[str, float],
        steps: int | None = None,
        seed: int = 0,
        corner: tuple[int, int] = (0, 0),
    ) -> Look | None:
        """The look that a user asks for; None for none. Arguments as in `Restorer.restore`."""
        if isinstance(look, Mapping) and len(look) > 1:
            raise MixingError(f"one look at a time, got {', '.join(sorted(look))}; name one of them")
        name, amount = next(iter(look.items()), ("", 0.0)) if isinstance(look, Mapping) else ("", look)
        if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 <= amount <= 1:
            raise MixingError(
                f"look must be a number from 0 to 1, got {amount!r}; 0 is the restored picture itself"
            )
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise MixingError(f"seed must be a whole number, got {seed!r}")
        if name and name not in self.loaded:
            raise MixingError(unknown_name("look", name, self.loaded))
        if not amount:
            return None
        if not self.loaded:
            raise MixingError(
                "no look is installed for this model; `restorekit plugins` lists those there are, leave look at 0"
            )
        name = name or next(iter(self.loaded))
        return Look(name, float(amount), LOOK_STEPS if steps is None else steps, seed, corner)

    def given(self, look: Look, restored: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Give a look to one restored picture.

        restored: x*, (1, 3, H, W), floating in [0, 1], uint8 or uint16.
        dtype: type of the result.
        how: tiles and whom to tell; its steps and guidance are those of the restoration.
        """
        weights = Mixture({name: float(name == look.name) for name in self.loaded})
        predictor = self.mixer.specialise(weights)
        noise = noise_of(self.loaded[look.name].flow.sigma, look.seed, look.corner)
        context = predictor.describe(restored).to(self.passing.device)
        way = Walk(self.passing, predictor, context, look, noise)
        return self.passing.fitting(lambda: way.passed(restored, dtype, how), how)


@dataclass(frozen=True)
class Walk:
    """One look's way down a picture.

    predictor: the backbone with the look's basis.
    context: of the whole picture.
    noise: sigma eps at rows and columns of the picture.
    """

    passing: Passing
    predictor: Predictor
    context: Tensor
    look: Look
    noise: Beside

    def passed(self, restored: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Take x* through the flow. restored, dtype, how: as in `Looks.given`."""
        facts, longest = self.passing.facts, max(restored.shape[2:])
        if not facts.streams:
            return self.stepwise(restored, dtype, how)
        halo = self.look.steps * (facts.halo or 0)
        side = max(how.side, 2 * halo + 8 * facts.multiple)  # else columns would be overlap and nothing else
        grid: Grid = {"tile": side, "halo": halo, "multiple": facts.multiple}
        if longest > side:
            return apply_in_strips(
                self.begin, restored, dtype=dtype, progress=how.progress, beside=self.noise, **grid
            )
        return apply_tiled(self.piece, restored, dtype=dtype, progress=how.progress, beside=self.noise, **grid)

    def begin(self) -> Callable[[Tensor, bool], Tensor]:
        """Start at the top of a column: every step at once, strip by strip."""
        passing = self.passing
        with passing.computing():
            rows = WalkedRows(lambda t: self.predictor.stream(passing.times(t), self.context), self.look.steps)

        def push(part: Tensor, last: bool) -> Tensor:
            base, noise = self.halves(part)
            with passing.computing():
                end, base = rows.push(base + noise, base, last)
            return self.towards(base, end, part.device)

        return push

    def piece(self, part: Tensor) -> Tensor:
        """Walk the whole flow in one piece; part: x* and the noise beside it, (1, 6, h, w)."""
        base, noise = self.halves(part)
        end = walk(lambda z, t: self.velocity(z, t, base), base + noise, self.look.steps)
        return self.towards(base, end, part.device)

    def stepwise(self, restored: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Take each step over the whole picture, tile by tile: 36 bytes a pixel more than x*, but overlaps of one
        halo, not of K."""
        passing, tell = self.passing, how.progress
        least, (height, width) = passing.smallest, restored.shape[2:]
        side = max(height, width) + passing.facts.multiple if least is None else max(how.side, least)
        grid: Grid = {"tile": side, "halo": passing.facts.halo or 0, "multiple": passing.facts.multiple}

        def velocity(z: Tensor, t: float) -> Tensor:
            def tile(part: Tensor) -> Tensor:
                base, own = self.halves(part)
                return self.velocity(own, t, base).to(part.device)

            def progress(done: int, total: int) -> None:
                if tell is not None:
                    tell(round((1 - t) * self.look.steps) * total + done, self.look.steps * total)

            def beside(rows: slice, columns: slice) -> Tensor:
                return z[:, :, rows, columns]

            return apply_tiled(tile, restored, dtype=torch.float32, progress=progress, beside=beside, **grid)

        base = as_float(restored)
        end = walk(velocity, base + self.noise(slice(0, height), slice(0, width)).to(base), self.look.steps)
        return as_values(self.towards(base, end, restored.device), dtype)

    def velocity(self, z: Tensor, t: float, base: Tensor) -> Tensor:
        """Velocity v(z, t, x*). z, base: (1, 3, h, w), on the device."""
        with self.passing.computing():
            return self.predictor(z, self.passing.times(t, len(z)), base, self.context).float() - base

    def halves(self, part: Tensor) -> tuple[Tensor, Tensor]:
        """x* and what lies beside it, on the device."""
        return self.passing.on_device(part[:, :3]), self.passing.on_device(part[:, 3:])

    def towards(self, base: Tensor, end: Tensor, place: torch.device) -> Tensor:
        """Go the look's share of the way, and clip."""
        return finished(base + self.look.amount * (end - base), place)


def noise_of(sigma: float, seed: int, corner: tuple[int, int] = (0, 0)) -> Beside:
    """Noise at rows and columns of a picture, (1, 3, h, w): the same at a place whatever is around it.

    corner: as in `Look`.
    """
    generator = Generator()

    def block(down: int, across: int) -> Tensor:
        digest = hashlib.sha256(f"{seed} {down} {across}".encode()).digest()
        generator.manual_seed(int.from_bytes(digest[:4], "big"))
        return torch.randn(1, 3, BLOCK, BLOCK, generator=generator)

    def noise(rows: slice, columns: slice) -> Tensor:
        rows, columns = (slice(s.start + at, s.stop + at) for s, at in zip((rows, columns), corner, strict=True))
        top, left = rows.start // BLOCK, columns.start // BLOCK
        bottom, right = -(-rows.stop // BLOCK), -(-columns.stop // BLOCK)
        whole = torch.cat([torch.cat([block(y, x) for x in range(left, right)], 3) for y in range(top, bottom)], 2)
        down, across = rows.start - top * BLOCK, columns.start - left * BLOCK
        part = whole[:, :, down : down + rows.stop - rows.start, across : across + columns.stop - columns.start]
        return sigma * part

    return noise


def shared_progress(how: Pass, look: Look | None) -> tuple[Pass, Pass]:
    """The passes of restoration and of a look, which tell of their pieces as of one work of 1 + K parts."""
    tell = how.progress
    if look is None or tell is None:
        return how, how
    parts, rest = 1 + look.steps, look.steps
    first = replace(how, progress=lambda done, total: tell(done, parts * total))
    second = replace(how, progress=lambda done, total: tell(total + rest * done, parts * total))
    return first, second
