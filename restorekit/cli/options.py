"""Options that commands share; those of every training, and the way in which a command takes them as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

__all__ = [
    "Bases",
    "Decay",
    "FromWeights",
    "Host",
    "Limit",
    "MaxBytes",
    "MaxPixels",
    "Model",
    "Offline",
    "PhotosArgument",
    "Precision",
    "Rate",
    "RunOptions",
    "Seed",
    "ServedDevice",
    "ServedPrecision",
    "Share",
    "Threads",
    "Together",
    "Weights",
    "takes_run_options",
]

PhotosArgument = Annotated[list[Path], typer.Argument(help="Folders of clean photographs, searched recursively.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default all.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, patches and degradations.")]
Limit = Annotated[int | None, typer.Option(help="Number of photographs to read at most.")]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Weights to start from; by default the shipped ones.")
]
FromWeights = Annotated[
    Path | None, typer.Option("--from-weights", help="Saved weights to go on from, without a checkpoint.")
]
Model = Annotated[
    str,
    typer.Option(metavar="NAME", help="Model to use: one that `restorekit plugins` lists; by default the first."),
]
Bases = Annotated[
    list[str] | None,
    typer.Option(
        "--basis",
        metavar="[NAME=]FOLDER",
        help="Basis without a package: a folder, or https://...zip#sha256=...; repeatable.",
    ),
]
Offline = Annotated[
    bool,
    typer.Option("--offline", help="Never touch the network: what lies at an address has to be in the cache."),
]
Host = Annotated[str, typer.Option(help="Name or number to listen on; 0.0.0.0 lets the whole network in.")]
MaxBytes = Annotated[
    str, typer.Option("--max-bytes", metavar="N[K|M|G]", help="Bytes that a picture's file may have.")
]
MaxPixels = Annotated[
    str,
    typer.Option(
        "--max-pixels", metavar="N[K|M|G]", help="Pixels that a picture may have, also after enlargement."
    ),
]
ServedDevice = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Device to compute on.")]
ServedPrecision = Annotated[
    str, typer.Option(metavar="auto|fp32|bf16|fp16", help="Number format, as of `restore`.")
]
Rate = Annotated[float, typer.Option("--learning-rate", help="Full learning rate.")]
Precision = Annotated[str, typer.Option(help="Precision of the convolutions: auto, fp32 or bf16.")]
Share = Annotated[list[str] | None, typer.Option(help="Frequency of a degradation, as noise=2.")]
Together = Annotated[
    list[str] | None,
    typer.Option(
        help="Share of a set in all draws beside the others, as rain+noise=0.2; rain/noise: remove the rain; "
        "noise:camera: noise of that kind."
    ),
]
Decay = Annotated[float, typer.Option(help="Share of the budget over which the learning rate falls to zero.")]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of every training; fields of `restorekit.training.runs.Settings`, with their defaults."""

    run: Annotated[
        str,
        typer.Option(
            help="Folder for checkpoints and logs; resumed if it has one. "
            "By default runs/ and the name of the training or of the basis.",
            show_default=False,
        ),
    ] = ""
    export: Annotated[
        str | None, typer.Option(help="Folder for the finished weights, laid out as weights/ is.")
    ] = None
    minutes: Annotated[float | None, typer.Option(help="Training time in all, earlier slices included.")] = None
    iterations: Annotated[int | None, typer.Option(help="Iterations in all, instead of --minutes.")] = None
    deadline: Annotated[
        str | None,
        typer.Option(
            help="Time by the clock on the wall, as 9m, 90s or 1.5h, instead of --minutes: from the start of this "
            "command to the end of training; reading and validation count, earlier slices do not."
        ),
    ] = None
    device: Annotated[
        str,
        typer.Option(help="Device: auto (a CUDA GPU if there is one, else the CPU), cpu, cuda, cuda:N or mps."),
    ] = "auto"
    compile: Annotated[str, typer.Option(help="Compile the residual blocks: auto (on CUDA GPUs), on or off.")] = (
        "auto"
    )
    checkpoint: Annotated[
        str,
        typer.Option(
            help="Contents of checkpoints: all, or weights, the averaged ones in float16: a tenth of the size, "
            "but optimisers start afresh."
        ),
    ] = "all"
    eight_bit: Annotated[
        bool, typer.Option("--eight-bit", help="Keep the state of AdamW in 8 bits (bitsandbytes).")
    ] = False
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute activations of diffusers models again going backward.")
    ] = False
    checkpoint_minutes: Annotated[float, typer.Option(help="Minutes between checkpoints.")] = 10.0
    threads: Threads = None
    limit: Limit = None


def takes_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every training, which it gets as one value, `run_options`.

    command: a function with a keyword parameter `run_options`; its other parameters are its own options.
    """
    shared, own = get_type_hints(RunOptions, include_extras=True), get_type_hints(command, include_extras=True)
    parameters = [
        parameter.replace(annotation=own[name], kind=Parameter.KEYWORD_ONLY)
        for name, parameter in signature(command).parameters.items()
        if name != "run_options"
    ]
    parameters += [
        Parameter(name, Parameter.KEYWORD_ONLY, default=getattr(RunOptions, name), annotation=hint)
        for name, hint in shared.items()
    ]

    @wraps(command)
    def taking(**given: Any) -> None:
        options = RunOptions(**{name: given.pop(name) for name in shared})
        command(**given, run_options=options)

    taking.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return taking
