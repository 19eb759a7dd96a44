"""The degradation encoder: a picture in, a query out; each basis's key turns the query into a weight.

    w_k = clip(1.2 sigmoid(query . key_k + bias_k) - 0.1, 0, 1)         severity_k = gauge_k . (query, 1)

The query is (local, context): `local` is what a small CNN and the power spectrum tell of native-resolution crops
(resizing would destroy the evidence of noise and JPEG), `context` is the training-free description of the whole
picture. The weights do not sum to 1: degradations coexist. A later basis brings its own key, which may read the
picture's `statistics` too (`restorekit.model.statistics`); the encoder stays as it is.

LoRWeB: Manor et al., 2026, https://arxiv.org/abs/2602.15727
ABAIR: Serrano-Lozano et al., 2024, https://arxiv.org/abs/2411.18412
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorekit.errors import WeightsError
from restorekit.model.context import CONTEXT, describe_reduced, reduced
from restorekit.model.familiar import FAMILIAR, LETTERS, load_readout
from restorekit.model.key import BasisKey
from restorekit.model.looking import look_at
from restorekit.model.statistics import SIDE, STATISTICS, statistics_of
from restorekit.model.weights import ENCODER_TENSORS, load_json, load_tensors, save_json, save_tensors, write_sums
from restorekit.model.winograd import Convolution

__all__ = [
    "CONFIG",
    "DETAIL",
    "RINGS",
    "STRETCH",
    "TENSORS",
    "UNSHUFFLE",
    "Block",
    "DegradationEncoder",
    "EncoderConfig",
    "Spectrum",
    "View",
    "weights_of",
]

CONFIG, TENSORS = "config.json", ENCODER_TENSORS
DETAIL = 6.0  # amplifies what 3x3 means leave: noise, blocks, or that there is nothing
RINGS = 24  # of the spectrum, and as many stripes along each axis
UNSHUFFLE = 2  # the CNN works on blocks of so many pixels a side: half the time, nothing lost
STRETCH = 0.1  # of the sigmoid beyond 0 and 1, before it is clipped


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder.

    crop: side of a crop in px.
    crops: number of crops of a picture.
    channels: per level of the CNN.
    local: length of the learned part of the query.
    blocks: residual blocks per level but the first.
    fine: residual blocks of the first level.
    """

    crop: int = 96
    crops: int = 9
    channels: tuple[int, ...] = (32, 48, 64, 96)
    local: int = 96
    blocks: tuple[int, ...] = (2, 2, 2)
    fine: int = 1


@dataclass(frozen=True)
class View:
    """Crops and contexts of B pictures.

    crops: (N, 3, s, s), in [0, 1].
    owners: (N,), number of the picture that each is of.
    contexts: (B, CONTEXT).
    small: (B, 3, SIDE, SIDE), the whole pictures reduced.
    blank: (B,), True where nothing was photographed.
    places: top left corners of the crops, mirrored up to the size of one where a picture is smaller; empty where
        nobody asks.
    """

    crops: Tensor
    owners: Tensor
    contexts: Tensor
    small: Tensor
    blank: Tensor
    places: tuple[tuple[int, int], ...] = ()


class Spectrum(nn.Module):
    """Logarithmic power of the luma by frequency: in rings, and along each axis.

    A lens or a reduction ends the spectrum early, each with an edge of its own; noise lifts its floor; JPEG's
    blocks are lines in it. A CNN has to learn all that, a Fourier transform shows it.
    Field, "Relations between the statistics of natural images and the response properties of cortical cells",
    1987, https://doi.org/10.1364/JOSAA.4.002379
    """

    window: Tensor
    bins: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        down = torch.arange(size, dtype=torch.float32).view(-1, 1) / size
        down = torch.minimum(down, 1 - down)  # cycles per px, up to 0.5
        right = torch.arange(size // 2 + 1, dtype=torch.float32).view(1, -1) / size
        ring = (torch.hypot(down, right) * 2 * RINGS * 0.9).long().clamp(max=RINGS - 1)
        stripes = [(axis.expand_as(ring) * 2 * RINGS).long().clamp(max=RINGS - 1) for axis in (down, right)]
        bins = torch.cat([F.one_hot(b.flatten(), RINGS) for b in (ring, *stripes)], 1).float()
        hann = torch.hann_window(size, periodic=False)
        window = torch.outer(hann, hann)
        self.register_buffer("window", window / window.square().mean().sqrt(), persistent=False)
        self.register_buffer("bins", bins / bins.sum(0).clamp_min(1), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Powers, (N, 3 RINGS), of crops, (N, 3, s, s), in [0, 1]: -1 for 8-bit rounding, 1 for noise of sigma 25.

        White noise of variance v has the power v at every frequency.
        """
        luma = crops.mean(1)
        luma = (luma - luma.mean((1, 2), keepdim=True)) * self.window
        power = torch.fft.rfft2(luma, norm="ortho").abs().square()
        return (torch.log10(power.flatten(1) @ self.bins + 1e-7) + 4) / 2


class Block(nn.Module):
    """Two convolutions beside the identity; without effect at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, channels, 3, padding=1)
        self.conv2 = Convolution(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.conv1.weight, nonlinearity="relu")
        for start in (self.conv1.bias, self.conv2.weight, self.conv2.bias):
            nn.init.zeros_(start)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class DegradationEncoder(nn.Module):
    """Picture to query."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        ch = config.channels
        self.stem = Convolution(6 * UNSHUFFLE**2, ch[0], 3, padding=1)
        self.fine = nn.Sequential(*(Block(ch[0]) for _ in range(config.fine)))
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(ch))
        self.refine = nn.ModuleList(Convolution(b, b, 3, padding=1) for b in ch[1:])
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(b) for _ in range(n))) for b, n in zip(ch[1:], config.blocks, strict=True)
        )
        self.spectrum = Spectrum(config.crop)
        self.look = nn.Linear(3 * ch[-1] + 3 * RINGS, 2 * config.local)  # at each crop
        self.mix = nn.Linear(4 * config.local, 2 * config.local)  # of all crops
        self.out = nn.Linear(2 * config.local, config.local)
        self.norm = nn.LayerNorm(config.local, elementwise_affine=False)
        self.familiar: BasisKey | None = None  # tells strange pictures
        self.letters: BasisKey | None = None  # tells pages of text
        for module in (self.stem, *self.reduce, *self.refine, self.look, self.mix):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # type: ignore[arg-type]
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @property
    def dimension(self) -> int:
        """D, the length of a query."""
        return self.config.local + CONTEXT

    @property
    def lengths(self) -> tuple[int, int]:
        """The length of a query, and of one with the picture's statistics."""
        return self.dimension, self.dimension + STATISTICS

    @property
    def cell(self) -> int:
        """Side in px of the square behind one place of the CNN's output."""
        return UNSHUFFLE * 2 ** (len(self.config.channels) - 1)

    def forward(self, crops: Tensor, owners: Tensor, contexts: Tensor) -> Tensor:
        """Queries. crops: (N, 3, s, s); owners: (N,), which picture each is of; contexts: (B, CONTEXT); (B, D)."""
        return self.read(self.features(self.see(crops), crops), owners, contexts)

    def convolving_in(self, dtype: torch.dtype) -> DegradationEncoder:
        """The same encoder, or a copy, that convolves in a number format; all else stays in float32."""
        if dtype == self.stem.weight.dtype:
            return self
        other = copy.deepcopy(self)
        for module in (other.stem, other.fine, other.reduce, other.refine, other.blocks):
            module.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return other

    def see(self, crops: Tensor) -> Tensor:
        """The CNN's output, (N, C, s / cell, s / cell), of (N, 3, s, s)."""
        detail = DETAIL * (crops - F.avg_pool2d(crops, 3, 1, 1))
        x = F.pixel_unshuffle(torch.cat([crops - 0.5, detail], 1), UNSHUFFLE).to(self.stem.weight)
        x = self.fine(F.relu(self.stem(x)))
        for reduce, refine, blocks in zip(self.reduce, self.refine, self.blocks, strict=True):
            x = F.relu(reduce(x))
            x = blocks(x + F.relu(refine(x)))
        return x

    def features(self, seen: Tensor, crops: Tensor) -> Tensor:
        """Features of each crop, (N, F). seen: the output of `see`."""
        flat = seen.flatten(2).float()
        return torch.cat([flat.mean(2), flat.std(2, correction=0), flat.amax(2), self.spectrum(crops)], 1)

    def read(self, features: Tensor, owners: Tensor, contexts: Tensor) -> Tensor:
        """Queries, (B, D), of features, (N, F); the rest as in `forward`."""
        looks = F.relu(self.look(features))  # (N, C), no value below 0
        blank = looks.new_zeros(len(contexts), looks.shape[1])
        place = owners[:, None].expand_as(looks)
        pooled = [blank.scatter_reduce(0, place, looks, reduce) for reduce in ("sum", "amax")]
        counts = torch.bincount(owners, minlength=len(contexts)).clamp_min(1)[:, None]
        hidden = F.relu(self.mix(torch.cat([pooled[0] / counts, pooled[1]], 1)))
        return torch.cat([self.norm(self.out(hidden)), 2 * contexts - 1], 1)

    def query(self, images: Tensor, *, statistics: bool = False) -> Tensor:
        """Queries of whole pictures, (B, D).

        images: (B, 3, H, W), floating in [0, 1], uint8 or uint16.
        statistics: as in `query_of`.
        """
        return self.query_of(self.view(images), statistics=statistics)

    def view(self, images: Tensor, visible: Tensor | None = None) -> View:
        """Choose crops of whole pictures, and describe these; on the encoder's device.

        images: (B, 3, H, W), floating in [0, 1], uint8 or uint16.
        visible: (B, H, W), boolean, False where they are transparent; None for opaque ones.
        """
        device = self.out.weight.device
        looks = [
            look_at(
                images[i : i + 1],
                self.config.crop,
                self.config.crops,
                None if visible is None else visible[i],
            )
            for i in range(len(images))
        ]
        owners = torch.cat([torch.full((len(look.crops),), i) for i, look in enumerate(looks)])
        blank = torch.tensor([look.blank for look in looks])
        crops = torch.cat([look.crops for look in looks]).to(device)
        lives = [look.live.clamp(0, 1) if look.live.is_floating_point() else look.live for look in looks]
        grids = [reduced(live) for live in lives]  # of pictures as files have them
        contexts = torch.cat([describe_reduced(grid) for grid in grids]).to(device)
        small = torch.cat([F.adaptive_avg_pool2d(grid, SIDE) for grid in grids]).to(device)
        places = tuple(place for look in looks for place in look.places)
        return View(crops, owners.to(device), contexts, small, blank.to(device), places)

    def query_of(self, view: View, *, statistics: bool = False) -> Tensor:
        """Queries, (B, D), of a view of B pictures.

        statistics: whether the pictures' statistics follow, for keys that read them; (B, D + STATISTICS).
        """
        query = self(view.crops, view.owners, view.contexts)
        return self.with_statistics(query, view) if statistics else query

    @staticmethod
    def with_statistics(query: Tensor, view: View) -> Tensor:
        """Queries, (B, D), of a view, with the pictures' statistics behind them."""
        return torch.cat([query, statistics_of(view.crops.float(), view.owners, view.small)], 1)

    @classmethod
    def from_folder(cls, folder: Path) -> DegradationEncoder:
        """Load configuration and verified weights."""
        values = load_json(folder / CONFIG)
        try:
            channels = tuple(values["channels"])
            crop, crops, local = (int(values[name]) for name in ("crop", "crops", "local"))
            fine = int(values.get("fine", 0))  # saved before there were any
            config = EncoderConfig(crop, crops, channels, local, tuple(values["blocks"]), fine)
            encoder = cls(config)
            encoder.load_state_dict(load_tensors(folder / TENSORS))
            length = encoder.dimension + encoder.look.in_features
            encoder.familiar, encoder.letters = (load_readout(folder, n, length) for n in (FAMILIAR, LETTERS))
        except (KeyError, TypeError, RuntimeError) as error:
            raise WeightsError(f"{folder} does not hold a degradation encoder: {error}") from None
        return encoder.eval().requires_grad_(False)

    def save(self, folder: Path) -> None:
        """Write config and float16 tensors."""
        save_json(folder / CONFIG, {"_class_name": type(self).__name__, **asdict(self.config)})
        save_tensors(folder / TENSORS, self.state_dict())
        write_sums(folder)


def weights_of(logits: Tensor) -> Tensor:
    """Mixing weights in [0, 1]: the sigmoid stretched and clipped, so that nearly none is none, exactly.

    Hard concrete: Louizos et al., 2018, https://arxiv.org/abs/1712.01312"""
    return (logits.sigmoid() * (1 + 2 * STRETCH) - STRETCH).clamp(0, 1)
