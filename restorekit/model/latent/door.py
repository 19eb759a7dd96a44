"""The door to diffusers: the one module that loads its models, when a latent backbone is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import PluginError, WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["INSTALL", "VAES", "load_part", "load_pipeline", "noise_schedule"]

INSTALL = "pip install 'restorekit[diffusers]'"
VAES = ("AutoencoderKL",)


def library() -> Any:
    """Import diffusers, or say in one line how to get it."""
    try:
        import diffusers
    except ImportError as error:
        raise PluginError(f"latent backbones need diffusers ({error}): {INSTALL}") from None
    return diffusers


def load_part(folder: Path, part: str, kind: str, dtype: torch.dtype) -> Any:
    """Load a model from a subfolder, frozen, without reaching for the network.

    folder: of the latent backbone.
    part: name of the subfolder.
    kind: name of its class in diffusers.
    dtype: type of its weights in memory.
    """
    architecture = getattr(library(), kind)
    try:
        loaded = architecture.from_pretrained(
            str(folder), subfolder=part, torch_dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{folder / part} does not hold a {kind} ({reason}); prepare the folder again"
        ) from None
    return loaded.eval().requires_grad_(False)


def noise_schedule(folder: Path) -> Tensor:
    """Cumulated products of the schedule in a folder's scheduler/, (steps,): alpha_t^2."""
    scheduler = library().DDPMScheduler.from_pretrained(str(folder), subfolder="scheduler", local_files_only=True)
    schedule: Tensor = scheduler.alphas_cumprod
    return schedule


def load_pipeline(name: str) -> Any:
    """Load a whole pipeline, text encoders and all. name: a folder, or a repository of the hub."""
    diffusers = library()
    try:
        return diffusers.DiffusionPipeline.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{name} is not a pipeline of diffusers that can be loaded ({reason})") from None
