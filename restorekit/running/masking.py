"""Masks: several mixtures of one picture, blended in the picture itself.

    blended = m * restored(mixture) + (1 - m) * restored(mixture without a basis)    for the mask of a basis
    result  = m * blended           + (1 - m) * picture                              for the mask of all

Every mixture takes the whole picture through the network, so a pixel sees the same neighbours on both sides of a
mask's edge, and nothing is cut out and put back. White and black are exact: there the blend is one of its two
pictures, bit for bit. Pictures are blended band by band, in the type in which they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import ImageError, MixingError, unknown_name
from restorekit.image import as_float, as_values
from restorekit.image.pixels import bands
from restorekit.model.mixing import Mixture
from restorekit.running.passing import Pass

__all__ = ["ALL", "Masks", "blend"]

ALL = ""  # name of the mask that is of no basis


@dataclass(frozen=True)
class Blend:
    """Two ways to restore a picture, and the share of the first, (H, W)."""

    mask: Tensor
    first: Blend | Mixture
    second: Blend | Mixture


@dataclass(frozen=True)
class Masks:
    """Masks of one picture, each of shape (H, W), floating in [0, 1], uint8 or uint16.

    whole: of all that is done; None for everywhere.
    groups: names of bases that share a mask, and the mask.
    """

    whole: Tensor | None = None
    groups: tuple[tuple[tuple[str, ...], Tensor], ...] = ()

    @classmethod
    def of(cls, mask: object, image: Tensor, bases: Sequence[str]) -> tuple[Masks, ...]:
        """Check the masks of a batch, and give those of each picture.

        mask: shape (B, H, W), or (H, W) for all pictures alike; boolean, floating in [0, 1], uint8 or uint16. Or
            several by name of the basis, ALL for what is left out of everything. None for no mask.
        image: shape (B, 3, H, W).
        bases: names of those there are.
        """
        named = mask if isinstance(mask, Mapping) else {} if mask is None else {ALL: mask}
        checked: dict[int, Tensor] = {}  # masks that several bases share are one
        names: dict[int, list[str]] = {}
        for name, given in named.items():
            if name != ALL and name not in bases:
                raise MixingError(unknown_name("basis", name, bases))
            key = id(given)
            if key not in checked:
                checked[key] = check_mask(name, given, image)
            names.setdefault(key, []).append(name)
        made = []
        for i in range(len(image)):
            whole, groups = None, []
            for key, rows in checked.items():
                own = rows[i if len(rows) > 1 else 0]
                if ALL in names[key]:
                    whole = own
                if of_bases := tuple(sorted(name for name in names[key] if name != ALL)):
                    groups.append((of_bases, own))
            made.append(cls(whole, tuple(groups)))
        return tuple(made)

    @property
    def black(self) -> bool:
        """True if nothing is to be done anywhere."""
        return self.whole is not None and not bool(above(self.whole).any())

    def acts(self, mixture: Mixture) -> bool:
        """Tell whether a mixture does anything anywhere."""
        if not mixture.active or self.black:
            return False
        place = self.place(mixture)
        return place is None or bool(place.any())

    def place(self, mixture: Mixture) -> Tensor | None:
        """Largest share that a basis of the mixture has at each pixel, (H, W), floating; None for 1 everywhere."""
        masked = {name for names, _ in self.groups for name in names}
        if not mixture.active or mixture.active.keys() - masked:
            return None
        return torch.stack([as_float(mask) for names, mask in self.groups if mixture.active.keys() & names]).amax(
            0
        )

    def where_it_acts(self, mixture: Mixture, changed: Tensor, restored: Tensor) -> Tensor:
        """A restored picture that was changed further, where the mixture acts; elsewhere the restored one.

        changed, restored: shape (1, 3, H, W). `changed` is changed in place.
        """
        place = self.place(mixture)
        return changed if place is None else blend(place, changed, restored)

    def enlarged(self, scale: int) -> Masks:
        """The same masks for an enlarged picture: bilinear, so that white and black stay what they are."""
        if scale == 1:
            return self
        whole = None if self.whole is None else enlarge(self.whole, scale)
        return Masks(whole, tuple((names, enlarge(mask, scale)) for names, mask in self.groups))

    def restored(self, mixture: Mixture, restore: Callable[[Mixture, Pass], Tensor], how: Pass) -> Tensor:
        """Restore a picture by each mixture that its masks of bases ask for, and blend.

        restore: takes the whole picture through the network, by a mixture.
        how: of the pass; it is told of all of them as of one.
        """
        plan = planned(mixture, self.groups)
        return done(plan, restore, how, [0, leaves(plan)])

    def within(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The restored picture where the mask of all is white, the picture itself where it is black.

        restored, picture: shape (1, 3, H, W). `restored` is changed in place.
        """
        return restored if self.whole is None else blend(self.whole, restored, picture)


def planned(
    mixture: Mixture, groups: Sequence[tuple[tuple[str, ...], Tensor]], place: Tensor | None = None
) -> Blend | Mixture:
    """The mixtures that masks ask for, without those that no pixel gets.

    place: shape (H, W), boolean, where anything comes of it; None for everywhere.
    """
    for number, (names, mask) in enumerate(groups, start=1):
        if not any(mixture.values.get(name) for name in names):
            continue
        rest, without = groups[number:], mixture.without(*names)
        inside, outside = above(mask), below(mask)
        if place is not None:
            inside, outside = inside & place, outside & place
        if not bool(outside.any()):
            return planned(mixture, rest, place)
        if not bool(inside.any()):
            return planned(without, rest, place)
        return Blend(mask, planned(mixture, rest, inside), planned(without, rest, outside))
    return mixture


def leaves(plan: Blend | Mixture) -> int:
    """Number of passes."""
    return leaves(plan.first) + leaves(plan.second) if isinstance(plan, Blend) else 1


def done(plan: Blend | Mixture, restore: Callable[[Mixture, Pass], Tensor], how: Pass, count: list[int]) -> Tensor:
    """A plan, carried out. count: of the passes that are done, and of all."""
    if isinstance(plan, Blend):
        first = done(plan.first, restore, how, count)
        return blend(plan.mask, first, done(plan.second, restore, how, count))
    before, passes = count
    tell = how.progress

    def progress(pieces: int, total: int) -> None:
        if tell is not None:
            tell(before * total + pieces, passes * total)

    own = replace(how, progress=None if tell is None else progress)
    restored = restore(plan, own)
    how.side = own.side  # smaller where memory ran out
    count[0] += 1
    return restored


def blend(mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Blend two pictures: m * first + (1 - m) * second, in the type of the first, which is changed in place.

    mask: shape (H, W), floating in [0, 1], uint8 or uint16.
    first, second: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16.
    """
    for band in bands(*mask.shape):
        share = as_float(mask[band]).to(first.device)
        if bool((share == 1).all()):
            continue
        over, under = as_float(first[..., band, :]), as_float(second[..., band, :]).to(first.device)
        # lerp counts from the nearer end, so that both are exact.
        first[..., band, :] = as_values(under.lerp(over, share.expand_as(over)), first.dtype)
    return first


def check_mask(name: str, mask: object, image: Tensor) -> Tensor:
    """The mask of a batch, (B, H, W) or (1, H, W), of numbers; ImageError for what is none.

    name: of its basis, or ALL.
    """
    whose = f"the mask of {name}" if name else "the mask"
    if not isinstance(mask, Tensor):
        raise ImageError(f"{whose} must be a tensor (B, H, W) in [0, 1], got {type(mask).__name__}")
    if mask.dtype == torch.bool:
        mask = mask.to(torch.uint8) * 255
    if not mask.is_floating_point() and mask.dtype not in (torch.uint8, torch.uint16):
        raise ImageError(f"{whose} is of type {mask.dtype}; give booleans, floats in [0, 1], uint8 or uint16")
    rows = mask[None] if mask.ndim == 2 else mask
    height, width = image.shape[2:]
    if rows.ndim != 3 or len(rows) not in (1, len(image)):
        raise ImageError(f"{whose} has the shape {tuple(mask.shape)}; give (B, H, W) for a batch of {len(image)}")
    if rows.shape[1:] != image.shape[2:]:
        turned = tuple(rows.shape[1:]) == (width, height)
        remedy = "turn it: pictures are taken upright, as EXIF says" if turned else "scale it to the picture first"
        raise ImageError(f"{whose} is {rows.shape[2]}x{rows.shape[1]}, the picture {width}x{height}; {remedy}")
    if rows.is_floating_point():
        low, high = (float(value) for value in rows.aminmax())  # NaN if there is one
        if not (low >= 0 and high <= 1):
            raise ImageError(f"{whose} has values from {low:.4g} to {high:.4g}; scale them into [0, 1] first")
    return rows


def above(mask: Tensor) -> Tensor:
    """Boolean, where a mask is not black."""
    return torch.cat([as_float(mask[band]) > 0 for band in bands(*mask.shape)])


def below(mask: Tensor) -> Tensor:
    """Boolean, where a mask is not white."""
    return torch.cat([as_float(mask[band]) < 1 for band in bands(*mask.shape)])


def enlarge(mask: Tensor, scale: int) -> Tensor:
    """A mask, (H, W), for a picture of `scale` times the size."""
    size = [n * scale for n in mask.shape]
    return F.interpolate(as_float(mask)[None, None], size, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)
