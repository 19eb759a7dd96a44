"""`restorekit export`: a mixture as one network in an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.options import Bases, Model, Offline
from restorekit.cli.terminal import plugins_of, put, put_json, tell, warn
from restorekit.cli.wishes import parse_numbers
from restorekit.errors import MixingError, RestorekitError
from restorekit.plugin.catalog import build_catalog
from restorekit.plugin.loose import with_bases
from restorekit.work import Options
from restorekit.work.setup import fetcher, load

__all__ = ["EPILOG", "export"]

EPILOG = """Examples:

restorekit export --set noise=1 -o denoise.onnx

restorekit export --set jpeg=1 --set noise=0.7 -o clean.onnx --half"""
ENDING = ".onnx"


def export(
    context: typer.Context,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=WEIGHT", help="Weight of a basis: 1 removes all; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write. Default: the names of the bases, .onnx.", show_default=False
        ),
    ] = None,
    opset: Annotated[
        int, typer.Option(min=18, metavar="N", help="Version of ONNX's operators; older programs want 18.")
    ] = 20,
    half: Annotated[
        bool, typer.Option("--half", help="Store and compute in float16: half the size. Pictures stay float32.")
    ] = False,
    model: Model = "",
    bases: Bases = None,
    offline: Offline = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write a mixture as one network, for programs that run ONNX: no encoder, no torch, no restorekit.

    It takes pictures of any size, float32, (batch, 3, height, width), RGB, in [0, 1], and gives them back restored
    in the same shape. Where onnxruntime is installed, its results are compared with restorekit's first: a file
    that is more than 1/255 away is not written. Needs restorekit[export].
    """
    catalog = build_catalog(plugins_of(context)).of_model(model)
    if not settings:
        raise MixingError(
            "an exported network has no encoder to choose the weights; name them, as in --set noise=1"
        )
    seen = with_bases(catalog, bases or [], fetcher(offline=offline, tell=tell))
    for name in seen.looks:
        if any(text.partition("=")[0] == name for text in settings):
            raise MixingError(
                f"{name} is a look: it walks several steps from noise, and an exported network is one step of a "
                "mixture; name bases of the mixture, as in --set noise=1"
            )
    weights = parse_numbers("--set", "weight", settings, seen)
    path = out or Path(f"{'-'.join(weights)}{ENDING}")
    check_path(path, overwrite)

    from restorekit.running.exporting import check_installed, export_onnx

    check_installed()
    options = Options(model=model, device="cpu", precision="fp32", bases=tuple(bases or ()), offline=offline)
    restorer = load(catalog, options, tell=tell)
    warn(restorer.failures)
    done = export_onnx(restorer, weights, path, opset=opset, half=half, overwrite=overwrite)
    size = path.stat().st_size
    if as_json:
        put_json({"output": str(path), "bytes": size, "difference": done.difference, **done.properties})
        return
    word = "unchecked: pip install onnxruntime compares it with restorekit"
    if done.difference is not None:
        word = f"within {255 * done.difference:.2g}/255 of restorekit's result at {len(done.sizes)} sizes"
    put(f"{path}  {size / 1e6:.1f} MB, opset {opset}, {word}")


def check_path(path: Path, overwrite: bool) -> None:
    """Raise what writing a file would end with, before anything is computed."""
    if path.suffix.lower() != ENDING:
        raise RestorekitError(f"cannot write {path}: an exported network is an {ENDING} file")
    if not path.parent.is_dir():
        raise RestorekitError(f"cannot write {path}: there is no folder {path.parent}; create it first")
    if path.exists() and not overwrite:
        raise RestorekitError(f"{path} exists; pass --overwrite or choose another -o")
