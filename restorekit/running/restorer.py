"""The restorer: encoder, mixing, tiles and sampler composed, once.

weights  = encoder(image), with the user's own in their place
restored = sample(backbone + sum_k weights_k basis_k, image), and a look where one is wanted
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit.errors import DeviceError
from restorekit.model.amount import Judge
from restorekit.model.backbone import Backbone
from restorekit.model.basis import LARGEST
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.key import BasisKey
from restorekit.model.mixing import Mixer, Mixture
from restorekit.model.weights import ASIDE
from restorekit.plugin.catalog import Catalog, build_catalog, load_plugins
from restorekit.plugin.failures import Failure
from restorekit.plugin.loading import LoadedLook
from restorekit.plugin.loose import with_bases
from restorekit.remote import Remote, fetch
from restorekit.running.arguments import (
    check_guidance,
    check_pictures,
    check_result_type,
    check_visible,
    check_weights,
    check_whole,
)
from restorekit.running.device import auto_tile, choose_device, choose_precision, goes_by_winograd
from restorekit.running.enlarging import Enlarging
from restorekit.running.exemplary import examples_of, mixture_of
from restorekit.running.loading import load_model
from restorekit.running.look import Looks
from restorekit.running.masking import Masks
from restorekit.running.passing import Pass, Passing
from restorekit.running.prepared import sight_of
from restorekit.running.restoring import Restoring, shown
from restorekit.running.results import RestorationResult
from restorekit.running.turns import Turns
from restorekit.weighing import Given, Inspection, Overruled, Weigher, Wish, Wished
from restorekit.weighing.blind import Blind
from restorekit.weighing.by_example import Match
from restorekit.weighing.halves import Remove
from restorekit.weighing.origins import Origins
from restorekit.weighing.places import Places, look_everywhere

__all__ = ["Inspection", "RestorationResult", "Restorer"]


class Restorer:
    """Encoder, backbone and bases that restore image batches; threads may share it.

    Make one with `Restorer.from_pretrained()`.
    """

    def __init__(
        self,
        backbone: Backbone,
        bases: Mapping[str, Mapping[str, Any]],
        encoder: DegradationEncoder,
        keys: Mapping[str, BasisKey],
        catalog: Catalog,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        winograd: bool = False,
        failures: Sequence[Failure] = (),
        sums: Mapping[str, str] | None = None,
        looks: Mapping[str, LoadedLook] | None = None,
        judges: Mapping[str, Judge] | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.dtype = dtype
        if dtype != torch.float32 and not backbone.facts.half:
            raise DeviceError("this backbone computes in full precision only; use --precision fp32")
        self.catalog = catalog
        self.failures = tuple(failures)
        self.sums = dict(sums or {})
        self.backbone = backbone.on(self.device)
        if winograd:
            self.backbone.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.passing = Passing(self.backbone.facts, self.device, self.dtype, winograd)
        self.mixer = Mixer(self.backbone, bases)
        self.looks = Looks.of(looks or {}, self.backbone, self.passing)
        self.encoder = encoder.to(self.device).eval().convolving_in(self.dtype)
        self.keys = dict(sorted(keys.items()))
        self.judges = dict(sorted((judges or {}).items()))
        self.cards = {name: card for name, card in catalog.bases.items() if name in bases}
        removing = {name: card.degradation for name, card in self.cards.items() if card.degradation}
        self.origins = Origins.of({name: catalog.degradation(its) for name, its in removing.items()})
        turns = Turns.of(self.mixer, self.passing, self.cards.values())
        self.enlarging = Enlarging(turns, self.origins, catalog, self.encoder.config.crop)

    @classmethod
    @torch.random.fork_rng(devices=[])  # making a network draws first weights: not from the caller's generator
    def from_pretrained(
        cls,
        model: str = "",
        *,
        device: str = "auto",
        precision: str = "auto",
        catalog: Catalog | None = None,
        bases: Sequence[str | Path] = (),
        fetching: Callable[[Remote], Path] = fetch,
    ) -> Restorer:
        """Load a model: its backbone, its encoder, and every basis that was made for them.

        model: its name; empty for the one that ships, or that the catalogue is seen from.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, fp32, bf16 or fp16; auto is bf16 on a GPU, and on a CPU where it is the faster
            one; else fp32, by Winograd's way where that is faster (`restorekit.model.winograd`).
        catalog: plugins to choose from; None is all that are installed.
        bases: further ones without a package, each a folder, NAME=FOLDER, or an address
            (`restorekit.plugin.loose`).
        fetching: gets the files of bases that lie at an address (`restorekit.remote.fetch`).

        Bases that cannot be used are listed in `failures`.
        """
        catalog = with_bases((catalog or build_catalog(load_plugins())).of_model(model), bases, fetching)
        place = choose_device(device)
        dtype = choose_precision(precision, place)
        loaded = load_model(catalog, fetching)
        if precision == "auto" and not loaded.backbone.facts.half:
            dtype = torch.float32
        return cls(
            loaded.backbone,
            loaded.bases.layers,
            loaded.encoder,
            loaded.bases.keys,
            catalog,
            device=place,
            dtype=dtype,
            winograd=precision == "auto" and loaded.backbone.facts.winograd and goes_by_winograd(place, dtype),
            failures=(
                *(f for f in catalog.failures if f.model in ("", catalog.model.name)),
                *loaded.bases.failures,
            ),
            sums=loaded.sums,
            looks=loaded.bases.looks,
            judges=loaded.bases.judges,
        )

    @property
    def bases(self) -> tuple[str, ...]:
        """Names of the bases at hand, sorted."""
        return tuple(self.mixer.bases)

    def provenance(self) -> dict[str, str]:
        """sha256 of the files of weights that pixels depend on, as `from_pretrained` read them, by "backbone/FILE"
        and the like."""
        return {name: sha256 for name, sha256 in self.sums.items() if name.rpartition("/")[2] not in ASIDE}

    @torch.no_grad()
    def inspect(
        self, image: Tensor, visible: Tensor | None = None, *, unclipped: bool = False
    ) -> tuple[Inspection, ...]:
        """Weights and severities of each picture of a batch.

        image: shape (B, 3, H, W), floating in [0, 1], uint8 or uint16.
        visible: shape (B, H, W), boolean, False where pictures are transparent; None for opaque ones.
        unclipped: as in `restore`.
        """
        check_pictures(image, unclipped=unclipped)
        check_visible(visible, image)
        return tuple(self.blind.weigh(*shown(image, visible, i)) for i in range(len(image)))

    @torch.no_grad()
    def places(self, image: Tensor, found: Inspection, visible: Tensor | None = None) -> Places:
        """Weights at each place of one picture.

        image: shape (1, 3, H, W), as in `inspect`.
        found: what `inspect` says of it.
        visible: as in `inspect`.
        """
        one, seen = shown(image, visible, 0)
        weights = found.weights.values
        return look_everywhere(self.encoder, self.keys, self.origins, one, weights, self.remove, seen)

    @property
    def blind(self) -> Blind:
        """The weigher that goes by what the encoder sees."""
        known = {name: self.cards[name].degradation for name in self.keys if name in self.cards}
        scales = {name: self.catalog.degradation(its).severity for name, its in known.items()}
        sights = {name: sight_of(name, card.sees) for name, card in self.cards.items() if card.sees}
        return Blind(
            self.encoder,
            self.keys,
            self.origins,
            scales,
            self.none,
            self.remove,
            sights,
            self.judges,
            self.passing.winograd,
        )

    def weigher(
        self,
        chosen: Mapping[str, float],
        *,
        blind: bool,
        wish: Wish | None = None,
        whole: Remove | None = None,
    ) -> Weigher:
        """The weigher for a user's words, as in `restore`; whole: as in `Blind`."""
        self.looks.refuse((*chosen, *(wish.named if wish else ())))
        if wish is None:
            if not blind:
                return Given(self.none.override(chosen))
            return Overruled(replace(self.blind, whole=whole), chosen)
        wish.check(self.bases, self.catalog.presets)
        for name in wish.set.keys() & self.catalog.bases.keys():
            self.catalog.bases[name].check_weight(float(wish.set[name]))
        weigher = self.weigher(chosen, blind=blind and wish.blind, whole=whole)
        return Wished(weigher, wish, self.catalog.presets, self.largest)

    @property
    def largest(self) -> dict[str, float]:
        """Greatest weight of each basis."""
        return {name: self.cards[name].largest if name in self.cards else LARGEST for name in self.bases}

    @property
    def none(self) -> Mixture:
        """A weight of 0 for every basis."""
        return Mixture(dict.fromkeys(self.bases, 0.0))

    def remove(self, crops: Tensor, weights: Mapping[str, float]) -> Tensor:
        """Restore crops of one picture, (N, 3, s, s), in one step with a mixture; in [0, 1]."""
        predictor = self.mixer.specialise(self.none.override(weights))
        return self.passing.run(predictor, crops, torch.float32, Pass(1, max(crops.shape[2:])))

    def whole(self, image: Tensor, weights: Mapping[str, float]) -> Tensor:
        """Restore a small picture, (1, 3, H, W), as `restore` does in one piece; floating."""
        how = Pass(1, self.passing.in_one(image))
        return self.enlarging.turns.passed(self.none.override(weights), image, torch.float32, how)

    @torch.no_grad()
    def by_example(
        self, pairs: Sequence[tuple[Tensor, Tensor]], visible: Sequence[Tensor | None] | None = None
    ) -> Match:
        """Find the mixture that carries pictures from before to after, to restore others with.

            match = restorer.by_example([(before, after)])
            restorer.restore(other, weights=match.mixture.values, blind=False)

        pairs: before and after, shape (1, 3, H, W) each, floating in [0, 1], uint8 or uint16, of one size. The one
            after may lie a few px beside the one before.
        visible: for each pair, shape (1, H, W), boolean, False where one of them is transparent; None for opaque.
        """
        examples = examples_of(pairs, visible)
        return mixture_of(examples, self.mixer, self.passing, self.blind, self.largest)

    @torch.no_grad()  # not inference_mode: the result is the caller's to change in place
    def restore(
        self,
        image: Tensor,
        *,
        weights: Mapping[str, float] | None = None,
        blind: bool = True,
        wish: Wish | None = None,
        mask: Tensor | Mapping[str, Tensor] | None = None,
        scale: int = 1,
        steps: int | None = None,
        tile: int | None = None,
        dtype: torch.dtype | None = None,
        ensemble: bool = False,
        guidance: float = 1.0,
        look: float | Mapping[str, float] = 0.0,
        seed: int = 0,
        corner: tuple[int, int] = (0, 0),
        unclipped: bool = False,
        progress: Callable[[int, int], None] | None = None,
        visible: Tensor | None = None,
    ) -> RestorationResult:
        """Restore a batch, each image with weights of its own.

        image: shape (B, 3, H, W), floating in [0, 1], uint8 or uint16; any size.
        weights: by name of the basis, in place of the encoder's; with `blind=False` the encoder is not asked, and
            bases that are not named stay at 0.
        blind: whether the encoder is asked.
        wish: what to change of the weights that come of it (`restorekit.Wish`), as `Wish(keep=("grain",))`.
        mask: shape (B, H, W), or (H, W) for all alike: 1 is restored, 0 comes back bit for bit, and between them
            the two are blended. Boolean, floating in [0, 1], uint8 or uint16. By name of the basis: where that
            basis acts; "" is then the mask of all.
        scale: times the size: cleaned at the picture's own size, enlarged bicubically, looked at again, sharpened.
        steps: of the sampler, by default 1, which gives the best PSNR; with a look of its flow, by default 4.
        tile: side of a tile in px; None chooses by the free memory; where the device runs out of it, the tile is
            halved, and a note says so.
        dtype: type of the result; None is float32 for floating images, else the image's own, rounded.
        ensemble: restore the mirror images too, and average: better, in four times the time
            (`restorekit.running.ensemble`).
        guidance: how far to go from the input, at 0, to the restored picture, at 1, and beyond it, at most 2
            (`restorekit.model.guidance`).
        look: how far to go from the restored picture, 0, to the texture of a photograph, 1: for the eye, not the
            score (`restorekit.running.look`); by name for another than the first.
        seed: of the look's noise.
        corner: row and column of the picture in the one that it is a part of, if any, for that noise.
        progress: told how many tiles are done, and of how many.
        visible: shape (B, H, W), boolean, False where pictures are transparent. The colours there decide nothing,
            bleed into nothing, and come back as they were. None: all is visible.
        unclipped: let floating values lie beyond [0, 1], as noise does that no file has clipped; without it they
            are refused, since a batch in 0 to 255 would come out white.

        A large picture in uint8 or uint16 needs little more memory than itself, without the ensemble.
        """
        check_pictures(image, unclipped=unclipped)
        check_visible(visible, image)
        check_whole(scale=scale, steps=1 if steps is None else steps, tile=1 if tile is None else tile)
        check_weights(weights)
        check_guidance(guidance)
        chosen = weights or {}
        for name in set(chosen) & set(self.catalog.bases):
            self.catalog.bases[name].check_weight(float(chosen[name]))
        dtype = dtype or (torch.float32 if image.is_floating_point() else image.dtype)
        check_result_type(dtype)
        wanted = self.looks.wanted(look, steps, seed, corner)
        walked = 1 if wanted is not None or steps is None else steps
        how = Pass(walked, tile or auto_tile(self.device), ensemble, progress, guidance=guidance)
        # What is restored on the way to the weights is the result only if nobody wants another one.
        ordinary = scale == 1 and how.ordinary and not (chosen or isinstance(mask, Mapping))
        ordinary = ordinary and self.passing.in_one(image) <= how.side and (wish is None or not wish.record())
        weigher = self.weigher(chosen, blind=blind, wish=wish, whole=self.whole if ordinary else None)
        if isinstance(mask, Mapping):
            self.looks.refuse(mask)
        masks = Masks.of(mask, image, self.bases)
        way = Restoring(self.enlarging, self.looks, weigher, self.none, how, dtype, scale, wanted)
        each = [None] * len(image) if visible is None else visible.split(1)
        done = [way.restored(one, seen, own) for one, seen, own in zip(image.split(1), each, masks, strict=True)]
        rows = [restored for restored, _ in done]
        whole = rows[0] if len(rows) == 1 else torch.cat(rows)  # a copy of one large picture is a large copy
        mixtures, severities = tuple(f.weights for _, f in done), tuple(f.severities for _, f in done)
        return RestorationResult(whole, mixtures, severities, tuple(how.notes))
