"""A mixture as an ONNX file, for programs that know neither torch nor restorekit.

    image (B, 3, H, W) in [0, 1], any size -> extend to the grid -> network, t = 1 -> crop, clip -> the same shape

The mixture is merged, the time is fixed, and what the context inlet reads of the whole picture is computed in the
file, so that it is one network from picture to picture. It is compared with the restorer before it is kept.
ONNX: https://onnx.ai; exported by torch.onnx and onnxscript, run by onnxruntime.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from restorekit import __version__
from restorekit.errors import DeviceError, MixingError, PluginError, RestorekitError
from restorekit.files import write_atomically
from restorekit.model.context_graph import describe_any
from restorekit.model.mixing import MixingWeights
from restorekit.running.restorer import Restorer

__all__ = ["INSTALL", "Exported", "OneNetwork", "check_installed", "export_onnx"]

INSTALL = "pip install 'restorekit[export]'"
NEEDED = ("onnx", "onnxscript")
OPSET = 20  # of 2023, which programs that embed ONNX have by now
SIZES = ((2, 64, 80), (1, 45, 31), (1, 1, 130))  # batch, height and width of the pictures that it is checked on
WITHIN = 1 / 255
EXAMPLE = (2, 141, 150)  # of which no size is special: none may end in the file as a constant
LICENCE = re.compile(r"^licen[cs]e:\s*(.+)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Exported:
    """An exported file.

    path: of the file.
    difference: the largest from the restorer's own result, over all pictures that it was checked on, in [0, 1];
        None where onnxruntime is not installed, so that nothing was checked.
    sizes: batch, height and width of those pictures.
    properties: facts that the file states of itself.
    """

    path: Path
    difference: float | None
    sizes: tuple[tuple[int, int, int], ...]
    properties: Mapping[str, str]


class OneNetwork(nn.Module):
    """A predictor from picture to picture, without a choice that depends on the size.

    network: a predictor with a mixture merged.
    multiple: grid that it works on, px.
    context: what it reads of every picture, (1, C); None where it reads the description of the picture.
    half: compute in float16; input and output stay float32.
    """

    def __init__(self, network: nn.Module, multiple: int, context: Tensor | None, *, half: bool = False) -> None:
        super().__init__()
        self.working = torch.float16 if half else torch.float32
        self.network = copy.deepcopy(network).to(self.working).eval().requires_grad_(False)
        self.multiple = multiple
        self.register_buffer("context", context)
        self.register_buffer("t", torch.ones(1))

    def forward(self, image: Tensor) -> Tensor:
        """Restore pictures, (B, 3, H, W), in [0, 1]."""
        height, width = image.shape[2:]
        context = describe_any(image) if self.context is None else self.context
        rows, columns = (extension(side, self.multiple) for side in (height, width))
        extended = image[:, :, rows][:, :, :, columns].to(self.working)
        restored = self.network(extended, self.t.to(self.working), extended, context.to(self.working))
        return restored[:, :, :height, :width].float().clamp(0, 1)


def extension(length: int, multiple: int) -> Tensor:
    """Pixels of a side that is extended to the grid, as `restorekit.running.tiling.extend` has them: reflected, or
    the last one repeated where there are too few."""
    place = torch.arange((length + multiple - 1) // multiple * multiple)
    reflected = 2 * (length - 1) - place
    beyond = torch.where(reflected.amin(0) >= 0, reflected, torch.full_like(reflected, length - 1))
    return torch.where(place < length, place, beyond)


def check_installed() -> None:
    """Raise unless the extra is installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RestorekitError(f"exporting needs {', '.join(missing)}: {INSTALL}")


def export_onnx(
    restorer: Restorer,
    weights: Mapping[str, float],
    path: Path,
    *,
    opset: int = OPSET,
    half: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a mixture as an ONNX file, if its results are those of the restorer within 1/255.

    restorer: on the CPU, in fp32.
    weights: by name of the basis; those that are not named are 0. One is not 0 at least.
    path: file to write.
    opset: version of ONNX's operators.
    half: store and compute in float16, for half the size; input and output stay float32.
    overwrite: replace a file that exists.
    """
    check_installed()
    if restorer.device.type != "cpu" or restorer.dtype != torch.float32:
        raise DeviceError('the restorer computes otherwise than exported networks; load it with "cpu" and "fp32"')
    mixture = MixingWeights(dict.fromkeys(restorer.bases, 0.0)).override(weights)
    for name in mixture.active:
        restorer.catalog.basis(name).check_weight(mixture[name])
    if not mixture.active:
        raise MixingError("an exported network has one mixture, and with all weights 0 it does nothing; name one")
    if len(parts := restorer.enlarging.turns.parts(mixture)) > 1:
        raise MixingError(
            f"{', '.join(parts[1].active)} has a pass of its own, after {', '.join(parts[0].active)}: "
            "one network cannot do both; export each in a file of its own"
        )
    if prepared := [name for name in mixture.active if name in restorer.enlarging.turns.prepare]:
        raise MixingError(
            f"pictures are prepared for {', '.join(prepared)} by a plugin, which a network alone cannot do; "
            "leave it out"
        )
    network = one_network(restorer, mixture, half=half)
    properties = properties_of(restorer, mixture)
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        draft = Path(folder) / "network.onnx"
        save(network, draft, opset, properties)
        difference = checked(draft, restorer, mixture)
        write_atomically(path, draft.read_bytes(), overwrite=overwrite)
    return Exported(path, difference, SIZES if difference is not None else (), properties)


def one_network(restorer: Restorer, mixture: MixingWeights, *, half: bool = False) -> OneNetwork:
    """The network of a mixture; PluginError for a backbone that is none from picture to picture."""
    facts, predictor = restorer.backbone.facts, restorer.mixer.specialise(mixture)
    if facts.space != "pixels" or not isinstance(predictor, nn.Module):
        name = restorer.catalog.model.name
        raise PluginError(
            f"model {name} does not work on pixels in one network; export one that does with --model"
        )
    probe = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    context = predictor.describe(probe)  # type: ignore[operator]
    return OneNetwork(predictor, facts.multiple, None if context.any() else context, half=half)


def save(network: OneNetwork, path: Path, opset: int, properties: Mapping[str, str]) -> None:
    """Write a network as ONNX; RestorekitError where torch cannot."""
    batch, height, width = EXAMPLE
    sides = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    with torch.no_grad(), quiet():
        try:
            program = torch.onnx.export(
                network,
                (torch.rand(batch, 3, height, width),),
                dynamo=True,
                opset_version=opset,
                input_names=["image"],
                output_names=["restored"],
                dynamic_shapes={"image": sides},
                verbose=False,
            )
        except Exception as error:  # of torch, onnxscript and onnx, each with errors of its own
            reason = str(error).strip().splitlines()[0]
            raise RestorekitError(
                f"torch {torch.__version__} cannot export this network with opset {opset} ({reason}); "
                f"update torch and onnxscript, or choose another --opset"
            ) from error
        assert program is not None
        graph = program.model.graph
        graph.outputs[0].shape = graph.inputs[0].shape  # else it is said by a formula of the extension
        program.model.metadata_props.update(properties)
        program.save(path)


@contextmanager
def quiet() -> Iterator[None]:
    """Around an export: the exporter's remarks on its own work are nobody's concern."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def checked(path: Path, restorer: Restorer, mixture: MixingWeights) -> float | None:
    """The largest difference of a file's results from the restorer's; None without onnxruntime.

    RestorekitError where it is above 1/255.
    """
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of each layer in float16 that a CPU takes in float32
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    draws = torch.Generator().manual_seed(0)
    for batch, height, width in SIZES:
        coarse = torch.rand(batch, 3, 4, 4, generator=draws)
        smooth = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        image = (smooth + 0.1 * torch.randn(smooth.shape, generator=draws)).clamp(0, 1)
        (found,) = session.run(None, {"image": image.numpy()})
        wanted = restorer.restore(image, weights=mixture.values, blind=False).image
        worst = max(worst, float((torch.from_numpy(found) - wanted).abs().max()))
    if worst > WITHIN:
        raise RestorekitError(
            f"the exported network is {255 * worst:.3g}/255 from the restorer's result, more than 1/255; "
            "nothing was written: leave out --half, or choose another --opset"
        )
    return worst


def properties_of(restorer: Restorer, mixture: MixingWeights) -> dict[str, str]:
    """Facts that a file states: model, mixture, digests, licence."""
    card = restorer.catalog.model
    licences = {licence_of(card.backbone.folder) or card.licence or "unknown": None}
    licences |= {licence_of(restorer.catalog.basis(name).folder) or "unknown": None for name in mixture.active}
    read = ("backbone/", *(f"basis {name}/" for name in mixture.active))
    sums = {name: sha256 for name, sha256 in sorted(restorer.provenance().items()) if name.startswith(read)}
    return {
        "producer": f"restorekit {__version__}",
        "model": card.name,
        "mixture": json.dumps(mixture.active),
        "sha256": json.dumps(sums),
        "licence": ", ".join(licences),
        "takes": "image: float32, (batch, 3, height, width), RGB, in [0, 1], any size",
        "gives": "restored: as the input",
    }


def licence_of(folder: Path) -> str:
    """The licence that the model card in a folder names; empty if there is none."""
    card = folder / "README.md"
    found = LICENCE.search(card.read_text(encoding="utf-8", errors="replace")) if card.is_file() else None
    return found[1].strip() if found else ""
