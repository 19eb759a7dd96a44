"""`restorekit import-model`: the folder of a latent backbone from a pipeline of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.terminal import put
from restorekit.errors import WeightsError

__all__ = ["EPILOG", "import_model"]

EPILOG = """Examples:

restorekit import-model runs/stable-diffusion-2-1/ -o sd21 --prompt "a sharp photograph"

restorekit import-model OWNER/MODEL -o sdxl --precision bf16 --offload"""


def import_model(
    pipeline: Annotated[str, typer.Argument(help="Folder of a diffusers pipeline, or a repository of the hub.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; it must not exist.")],
    prompt: Annotated[str, typer.Option("--prompt", help="Text that the model is told with each picture.")] = "",
    form: Annotated[
        str, typer.Option("--form", help="Estimate of the clean latents: residual or scheduler.")
    ] = "residual",
    time: Annotated[
        float, typer.Option("--time", help="Time of the pass in the schedule's steps, above 0, at most 1000.")
    ] = 1.0,
    colour: Annotated[
        str, typer.Option("--colour", help="Colour of the result: wavelet, statistics or off.")
    ] = "wavelet",
    tile: Annotated[int, typer.Option("--tile", min=64, help="Largest side that it sees at once, px.")] = 768,
    overlap: Annotated[int, typer.Option("--overlap", min=0, help="Overlap of neighbouring tiles, px.")] = 128,
    precision: Annotated[
        str, typer.Option("--precision", help="Number format of the weights on a GPU: fp32, bf16 or fp16.")
    ] = "fp32",
    offload: Annotated[
        bool, typer.Option("--offload", help="Keep the weights off the GPU between their turns.")
    ] = False,
) -> None:
    """Make a latent backbone of a diffusers pipeline: Stable Diffusion 1.5, 2.1, Turbo, SDXL, 3 or FLUX.

    The prompt is computed once and stored, so that restoring needs no text encoder. A plugin then names the folder
    in a `BackboneCard` with the architecture `restorekit.model.latent:LatentBackbone`; bases are trained for it.
    """
    from restorekit.model.latent import prepare
    from restorekit.model.weights import digest_of_weights

    if out.exists():
        raise WeightsError(f"{out} exists; name a folder that does not, or delete it")
    choices = {
        "form": form,
        "time": time,
        "colour": colour,
        "tile": tile,
        "overlap": overlap,
        "precision": precision,
        "offload": offload,
    }
    config = prepare(pipeline, out, prompt, choices)
    put(f"{out}: family {config.family}, form {config.form}, sha256 {digest_of_weights(out)[:12]}")
