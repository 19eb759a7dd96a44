"""Folders of latent backbones: a pipeline's parts, with the prompt's tensors in place of its text encoders.

    config.json   prompt.safetensors   sha256sums   unet/ or transformer/   vae/   scheduler/

The parts are as diffusers saves them; `restorekit.model.weights.digest_of_weights` is the digest of all tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import WeightsError
from restorekit.model.latent.backbone import BY_NAME, PROMPT, check_fit, family_of
from restorekit.model.latent.config import LatentConfig
from restorekit.model.latent.door import VAES, load_pipeline
from restorekit.model.weights import save_tensors, write_sums

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["prepare", "recognised", "store"]


def recognised(network: Any, scheduler: Any) -> LatentConfig:
    """Facts that a network of diffusers and its scheduler tell. WeightsError for a network of no known family."""
    kind = type(network).__name__
    for name, family in BY_NAME.items():
        if family.kind == kind:
            prediction = "epsilon" if name == "unet" else "flow"
            return LatentConfig(
                name, prediction=scheduler.config.get("prediction_type", prediction) if name == "unet" else "flow"
            )
    known = ", ".join(family.kind for family in BY_NAME.values())
    raise WeightsError(f"a {kind} is of no family that is known here; there are {known}")


def store(
    folder: Path,
    network: Any,
    vae: Any,
    scheduler: Any,
    prompt: Mapping[str, Tensor],
    config: LatentConfig | None = None,
) -> LatentConfig:
    """Write the folder of a latent backbone; the configuration that it then has.

    network, vae, scheduler: models of diffusers; in the form "residual" the network loses its output layer's own
        weights, here in memory too.
    prompt: tensors by name, as `Family.prompt_shapes` names them, batches of one.
    config: choices; None for those that the parts tell. A head that is empty in the form "residual" is the
        family's.
    """
    config = config or recognised(network, scheduler)
    family = family_of(config)
    if type(vae).__name__ not in VAES:
        raise WeightsError(f"the VAE is a {type(vae).__name__}; only {', '.join(VAES)} is known here")
    if type(network).__name__ != family.kind:
        raise WeightsError(f"family {config.family} has a {family.kind}, got a {type(network).__name__}")
    if config.form == "residual":
        config = replace(config, head=config.head or family.head)
        for parameter in network.get_submodule(config.head).parameters():
            parameter.data.zero_()
    check_fit(family, network, vae, prompt, config)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder / config.part)
    vae.save_pretrained(folder / "vae")
    scheduler.save_pretrained(folder / "scheduler")
    save_tensors(folder / PROMPT, prompt)
    config.save(folder)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # diffusers makes files that only their owner can read
    write_sums(folder, nested=True)
    return config


def prepare(
    pipeline: str, folder: Path, prompt: str = "", config: Mapping[str, Any] | None = None
) -> LatentConfig:
    """Make the folder of a latent backbone from a pipeline; the configuration that it then has.

    pipeline: a folder, or a repository of the hub.
    prompt: text whose tensors are computed once, and stored.
    config: fields of `LatentConfig` in place of those that the pipeline tells.
    """
    import torch

    loaded = load_pipeline(pipeline)
    network = getattr(loaded, "unet", None) or getattr(loaded, "transformer", None)
    if network is None or getattr(loaded, "vae", None) is None:
        raise WeightsError(f"{pipeline} has no unet or transformer beside a vae; it is no latent model")
    facts = replace(recognised(network, loaded.scheduler), **(config or {}))
    with torch.no_grad():
        tensors = family_of(facts).embed(loaded, prompt)
    return store(folder, network, loaded.vae, loaded.scheduler, tensors, facts)
