"""Options that the trainings share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PhotosArgument = Annotated[list[Path], typer.Argument(help="Folders of clean photographs, searched recursively.")]
Run = Annotated[Path, typer.Option("--run", help="Folder for checkpoints and logs; resumed if it has one.")]
Minutes = Annotated[float | None, typer.Option(help="Training time in all, earlier slices included.")]
Iterations = Annotated[int | None, typer.Option(help="Iterations in all, instead of --minutes.")]
Deadline = Annotated[
    str | None,
    typer.Option(
        help="Time by the clock on the wall, as 9m, 90s or 1.5h, instead of --minutes: from the start of this "
        "command to the end of training; reading and validation count, earlier slices do not."
    ),
]
Device = Annotated[
    str, typer.Option(help="auto (a CUDA GPU if there is one, else the CPU), cpu, cuda, cuda:N or mps.")
]
Compile = Annotated[
    str, typer.Option("--compile", help="auto (on CUDA GPUs), on or off: compile the residual blocks.")
]
Checkpoint = Annotated[
    str,
    typer.Option(
        help="all, or weights: the averaged weights in float16, a tenth of the size; optimisers start afresh."
    ),
]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default all.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, patches and degradations.")]
Limit = Annotated[int | None, typer.Option(help="Read at most so many photographs.")]
CheckpointMinutes = Annotated[float, typer.Option(help="Minutes between checkpoints.")]
Export = Annotated[
    Path | None, typer.Option("--export", help="Folder for the finished weights, laid out as weights/ is.")
]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Weights to start from; by default the shipped ones.")
]
Rate = Annotated[float, typer.Option("--learning-rate", help="Full learning rate.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16: of the convolutions.")]
Together = Annotated[
    list[str] | None,
    typer.Option(
        help="A set's share of all draws beside the others, as rain+noise=0.2; rain/noise: remove the rain alone."
    ),
]
Decay = Annotated[float, typer.Option(help="Share of the budget over which the learning rate falls to zero.")]
