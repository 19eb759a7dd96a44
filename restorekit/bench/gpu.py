"""Time and memory on a CUDA device: `python -m restorekit.bench.gpu [-o FILE] [--latent]`.

The shipped model blind at two sizes in three precisions, a batch, and the cost of mixing; with `--latent` networks
in the shapes of public latent models with random weights (`restorekit.bench.gpu_latent`). Medians after two runs
that do not count; the device has finished whenever a clock is read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.bench.gpu_timing import Timed, picture, timed

if TYPE_CHECKING:
    from restorekit.running.restorer import Restorer

__all__ = ["as_markdown", "main", "mixing_rows", "picture_rows"]

SMALL, LARGE = (512, 512), (4000, 6000)
PRECISIONS = ("fp32", "bf16", "fp16")


def restorer_in(precision: str) -> Restorer:
    from restorekit.running.restorer import Restorer

    return Restorer.from_pretrained(device="cuda", precision=precision)


def picture_rows() -> Iterator[Timed]:
    """Blind restorations of pictures that lie in the computer's memory, there and back."""
    for precision in PRECISIONS:
        restorer = restorer_in(precision)
        for height, width in (SMALL, LARGE):
            image = picture(height, width)
            size = height * width / 1e6
            rounds = 9 if size < 1 else 3
            yield timed(
                f"{width}x{height} blind",
                precision,
                partial(restorer.restore, image),
                megapixels=size,
                rounds=rounds,
            )
    restorer = restorer_in("bf16")
    batch = picture(*SMALL).expand(16, -1, -1, -1)
    yield timed(
        "16 pictures of 512x512, one batch, blind",
        "bf16",
        lambda: restorer.restore(batch),
        megapixels=16 * 0.262144,
        rounds=3,
    )


def mixing_rows() -> Iterator[Timed]:
    """The backbone alone, with bases mixed anew for each picture, and merging by itself."""
    import torch

    from restorekit.bench.timing import forward
    from restorekit.model.mixing import Mixer, MixingWeights

    restorer = restorer_in("bf16")
    image = (picture(*SMALL).float() / 255).cuda()
    size = 0.262144
    yield timed("512x512, backbone alone", "bf16", forward(restorer, image), megapixels=size)
    turn = iter(range(1_000_000))

    def mixed() -> None:
        weight = 0.5 + 0.0001 * (next(turn) % 1000)  # never a mixture that is there already
        restorer.restore(image, weights=dict.fromkeys(restorer.keys, weight), blind=False)

    yield timed("512x512, all bases mixed for it", "bf16", mixed, megapixels=size)
    layers = list(restorer.mixer.bases.values())
    for count in (1, 5, 50):
        mixer = Mixer(restorer.backbone, {str(i): layers[i % len(layers)] for i in range(count)})

        @torch.inference_mode()
        def merge(mixer: Mixer = mixer) -> None:
            weight = (0.5 + 0.0001 * (next(turn) % 1000)) / len(mixer.bases)
            mixer.specialise(MixingWeights(dict.fromkeys(mixer.bases, weight)))

        yield timed(f"merging {count} of the embedded model's bases", "fp32", merge)


def as_markdown(rows: list[Timed]) -> str:
    """The table, with the card that it was measured on."""
    import torch

    lines = [
        f"Made by `python -m restorekit.bench.gpu --latent` on one {torch.cuda.get_device_name()}, torch "
        f"{torch.__version__}: medians, the copies between computer and card included.",
        "",
        "| what | precision | ms | MP/s | memory, GB |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        speed = f"{row.megapixels / row.seconds:.3g}" if row.megapixels else ""
        lines.append(
            f"| {row.what} | {row.precision} | {1000 * row.seconds:.3g} | {speed} | {row.memory / 1e9:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--latent", action="store_true", help="Measure shapes of public latent models too")
    chosen = parser.parse_args()
    measures: list[Callable[[], Iterator[Timed]]] = [picture_rows, mixing_rows]
    if chosen.latent:
        from restorekit.bench.gpu_latent import latent_rows

        measures.append(latent_rows)
    rows: list[Timed] = []
    for measure in measures:
        for row in measure():
            rows.append(row)
            print(json.dumps(asdict(row)), flush=True)
            if chosen.output:  # after each: a machine may go away
                chosen.output.write_text(as_markdown(rows))


if __name__ == "__main__":
    main()
