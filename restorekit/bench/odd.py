"""Pictures that hold more than a photograph, or that are none: `python -m restorekit.bench.odd PHOTOS [-o FILE]`.

Frames and cut-outs around noise, enlargements of small damaged pictures, noise of coarse grain, false rain, soft
photographs, and graphics. Each row has a mean PSNR in dB to what is right, over the photographs, beside a
reference: 120 dB stands for no difference. Draws depend on the number of the photograph alone.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.bench.items import as_file
from restorekit.image import read_image
from restorekit.running.passing import enlarge
from restorekit.running.restorer import RestorationResult, Restorer

__all__ = [
    "GAUSSIAN_REACH",
    "as_markdown",
    "drawings",
    "framed",
    "main",
    "noise",
    "psnr",
    "rows_of",
]

GAUSSIAN_REACH = 4  # times its standard deviation


@dataclass(frozen=True)
class OddRow:
    """One line of the table. result, reference: means in dB, or in the unit that the name says."""

    what: str
    result: float
    against: str
    reference: float


def psnr(image: Tensor, right: Tensor) -> float:
    """PSNR in dB; 120 for equal images."""
    return float(-10 * (image - right).square().mean().clamp_min(1e-12).log10())


def noise(shape: Iterable[int], sigma: float, seed: int, grain: float = 0.0) -> Tensor:
    """White noise, or noise whose grain is a Gaussian of `grain` px. sigma: on the 0-255 scale."""
    field = torch.randn(tuple(shape), generator=Generator().manual_seed(seed))
    if grain:
        reach = int(GAUSSIAN_REACH * grain + 1)
        line = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * grain**2))
        kernel = torch.outer(line, line).expand(3, 1, -1, -1)
        field = F.conv2d(F.pad(field, (reach,) * 4, mode="circular"), kernel, groups=3)
        field = field / field.std()
    return sigma / 255 * field


def framed(image: Tensor, rows: int, columns: int, colour: float, sigma: float, seed: int) -> Tensor:
    """A picture in the middle of a ground of one colour with noise of sigma."""
    height, width = image.shape[2:]
    size = (1, 3, height + 2 * rows, width + 2 * columns)
    ground = as_file(colour + noise(size, sigma, seed))
    ground[..., rows : rows + height, columns : columns + width] = image
    return ground


def drawings() -> Mapping[str, Tensor]:
    """Graphics without a file: halftone, strokes with soft edges, blocks in a palette, and a checkerboard."""
    generator = Generator().manual_seed(0)
    ramp = torch.linspace(0, 1, 320).expand(1, 3, 240, 320)
    strokes = (torch.rand(1, 1, 48, 64, generator=generator) > 0.75).float().repeat_interleave(5, 2)
    strokes = strokes.repeat_interleave(5, 3)
    soft = strokes.clone()
    soft[..., 1:] = torch.maximum(strokes[..., 1:], strokes[..., :-1] / 2)
    palette = torch.rand(12, 3, generator=generator)
    blocks = palette[torch.randint(12, (30, 40), generator=generator)].permute(2, 0, 1)[None]
    return {
        "halftone": (ramp > torch.rand(1, 1, 240, 320, generator=generator)).float(),
        "strokes": as_file(1 - soft).expand(-1, 3, -1, -1),
        "strokes, light on dark": as_file(0.1 + 0.8 * soft).expand(-1, 3, -1, -1),
        "blocks": as_file(blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)),
        "checkerboard": ((torch.arange(240)[:, None] + torch.arange(320)) % 2).float().expand(1, 3, -1, -1),
    }


def rows_of(restorer: Restorer, photos: list[Tensor]) -> Iterator[OddRow]:
    """Measure everything, one row after another. photos: (1, 3, H, W) each, in [0, 1]."""

    def run(image: Tensor, **options: object) -> RestorationResult:
        return restorer.restore(image, **options)  # type: ignore[arg-type]

    def mean(score: Callable[[int, Tensor], float]) -> float:
        return sum(score(i, photo) for i, photo in enumerate(photos)) / len(photos)

    noisy = [as_file(photo + noise(photo.shape, 25, i)) for i, photo in enumerate(photos)]
    alone = mean(lambda i, photo: psnr(run(noisy[i]).image, photo))
    frames = {
        "white margin, 55 % of the picture": (1.0, 0.0, 0.25, 0.25),
        "black margin, 55 % of the picture": (0.0, 0.0, 0.25, 0.25),
        "grey margin, 55 % of the picture": (0.5, 0.0, 0.25, 0.25),
        "scanner's bed with noise of sigma 1": (0.94, 1.0, 0.25, 0.25),
        "bars of a film, above and below": (0.0, 0.0, 0.17, 0.0),
    }
    for name, (colour, sigma, above, beside) in frames.items():

        def in_frame(
            i: int, photo: Tensor, colour: float = colour, sigma: float = sigma, above: float = above,
            beside: float = beside,
        ) -> float:  # fmt: skip
            rows, columns = int(above * photo.shape[2]), int(beside * photo.shape[3])
            whole = run(framed(noisy[i], rows, columns, colour, sigma, 99)).image
            return psnr(whole[..., rows : rows + photo.shape[2], columns : columns + photo.shape[3]], photo)

        yield OddRow(f"noise 25, {name}", mean(in_frame), "without it", alone)

    def cut_out(i: int, photo: Tensor) -> float:
        visible = torch.zeros(photo.shape[2:], dtype=torch.bool)
        visible[photo.shape[2] // 8 : -(photo.shape[2] // 8), photo.shape[3] // 8 : -(photo.shape[3] // 8)] = True
        restored = run(torch.where(visible, noisy[i], 0.0), visible=visible[None]).image
        return psnr(restored[..., visible], photo[..., visible])

    yield OddRow("noise 25, cut out, black beneath", mean(cut_out), "opaque", alone)
    jpeg = restorer.catalog.degradation("jpeg")
    for name in ("JPEG 50", "noise 10", "clean"):

        def enlarged(i: int, photo: Tensor, way: str, name: str = name) -> float:
            photo = photo[..., : photo.shape[2] // 2 * 2, : photo.shape[3] // 2 * 2]
            size = [n // 2 for n in photo.shape[2:]]
            small = as_file(F.interpolate(photo, size, mode="bicubic", antialias=True))
            if name == "JPEG 50":
                small = jpeg.apply(small, jpeg.draw(small.shape, Generator().manual_seed(i), severity=50))
            elif name == "noise 10":
                small = as_file(small + noise(small.shape, 10, i))
            if way == "bicubic":
                return psnr(enlarge(small, 2), photo)
            if way == "two":
                return psnr(run(enlarge(run(small).image, 2)).image, photo)
            return psnr(run(small, scale=2).image, photo)

        once, twice, bicubic = (mean(partial(enlarged, way=way)) for way in ("one", "two", "bicubic"))
        yield OddRow(f"x2, {name}, one command", once, "bicubic", bicubic)
        yield OddRow(f"x2, {name}, one command", once, "two commands", twice)
    for grain in (1.0, 1.5, 2.0):
        coarse = [as_file(photo + noise(photo.shape, 12, i, grain)) for i, photo in enumerate(photos)]
        results = [run(image) for image in coarse]
        gains = [
            psnr(result.image, photo) - psnr(image, photo)
            for result, photo, image in zip(results, photos, coarse, strict=True)
        ]
        before = mean(lambda i, photo, coarse=coarse: psnr(coarse[i], photo))  # type: ignore[misc]
        yield OddRow(f"noise 12 of grain {grain:g} px", before + sum(gains) / len(gains), "input", before)
        yield OddRow(f"noise 12 of grain {grain:g} px, worst gain in dB", min(gains), "none", 0.0)
    weak = [as_file(photo + noise(photo.shape, 12, i)) for i, photo in enumerate(photos)]
    results = [run(image) for image in weak]
    levels = [
        float(255 * (result.image - image).mean().abs()) for result, image in zip(results, weak, strict=True)
    ]
    rain = [result.weights[0]["rain"] for result in results]
    yield OddRow("noise 12, pictures with rain above 0.3", sum(w > 0.3 for w in rain), "none", 0)
    yield OddRow("noise 12, largest change of the mean level, of 255", max(levels), "asked", 1.0)
    soft = [F.interpolate(p, scale_factor=1.5, mode="bicubic").clamp(0, 1) for p in photos]
    yield OddRow(
        "enlarged by 1.5, nothing to do", mean(lambda i, _: psnr(run(soft[i]).image, soft[i])), "asked", 40
    )
    yield OddRow("untouched", mean(lambda i, photo: psnr(run(photo).image, photo)), "asked", 50)
    for name, drawn in drawings().items():
        yield OddRow(f"drawn: {name}", psnr(run(drawn).image, drawn), "asked", 45)


def as_markdown(rows: Iterable[OddRow], source: str, count: int) -> str:
    """The table, with what it was measured on."""
    lines = [
        "# Pictures that hold more than a photograph",
        "",
        f"Made by `python -m restorekit.bench.odd PHOTOS` on {count} photographs, the first ones of {source}, in "
        f"fp32, torch {torch.__version__}, Python {platform.python_version()}. dB where nothing else is said.",
        "",
        "| picture | restored blind | beside it | |",
        "|---|---|---|---|",
    ]
    lines += [f"| {row.what} | {row.result:.2f} | {row.against} | {row.reference:.2f} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of clean photographs")
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--limit", type=int, help="number of photographs; all by default")
    chosen = parser.parse_args()
    files = sorted(path for path in chosen.photos.iterdir() if path.is_file())[: chosen.limit]
    photos = [read_image(path).rgb for path in files]
    rows = []
    for row in rows_of(Restorer.from_pretrained(device="cpu", precision="fp32"), photos):
        rows.append(row)
        print(f"{row.what:55} {row.result:8.2f}   {row.against:14} {row.reference:8.2f}", flush=True)
    if chosen.output:
        chosen.output.write_text(as_markdown(rows, chosen.photos.name, len(photos)))


if __name__ == "__main__":
    main()
