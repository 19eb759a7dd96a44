"""Bundles: the models that a basis is for.

A basis names its model by digests, in `basis.json`: those of the backbone that it was trained on and of the
encoder that its key reads. So two models may each have a basis `noise`, and none gets into a foreign network.
"""

from __future__ import annotations

from collections.abc import Mapping

from restorekit.model.basis import Basis
from restorekit.plugin.hookspecs import ModelCard

__all__ = ["is_look", "models_of"]


def models_of(basis: Basis, models: Mapping[str, ModelCard]) -> tuple[str, ...]:
    """Name the models that a basis is for; none where these are not installed.

    basis: its card names a model, or its files do.
    models: those that are installed, by name, the default first. A basis whose files do not tell is taken for the
        default's, where it is looked at and refused with the reason.
    """
    if basis.model:
        return (basis.model,) if basis.model in models else ()
    default = next(iter(models), "")
    try:
        backbone, encoder = basis.backbone_sha256, basis.encoder_sha256
    except Exception:  # a broken file, or a stranger's subclass, which raises anything
        return (default,)
    if not models:
        return (default,)
    fitting = [name for name, card in models.items() if has(card, "backbone", backbone)]
    reading = [name for name in fitting if encoder and has(models[name], "encoder", encoder)]
    return tuple(reading or fitting)


def is_look(basis: Basis) -> bool:
    """Tell whether a basis's files say that it is a flow to a look; those that cannot be read say nothing."""
    try:
        return not basis.degradation and basis.flow is not None
    except Exception:  # as above
        return False


def has(card: ModelCard, part: str, sha256: str) -> bool:
    """Tell whether a model has the backbone or encoder of this digest; without readable records it has none."""
    try:
        return (card.backbone.sha256 if part == "backbone" else card.encoder_sha256) == sha256
    except Exception:  # as above
        return False
