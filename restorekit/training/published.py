"""Companions of a new basis: the recipe that made it, and a model card with measured figures.

Both are written again by every export, unless a person has edited them: then the new one comes to lie beside it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import restorekit
from restorekit.machine import processor
from restorekit.model.basis import KEY
from restorekit.model.encoder import weights_of
from restorekit.model.key import BasisKey
from restorekit.signed import write_unless_edited
from restorekit.training.bank import one_hot_weights
from restorekit.training.base import psnr
from restorekit.training.basis import BasisTraining
from restorekit.training.pairs import typical
from restorekit.training.readout import HARMFUL
from restorekit.training.running import device_name
from restorekit.training.runs import Settings

__all__ = ["CARD", "RECIPE", "card_of", "publish", "recipe_text"]

CARD, RECIPE = "README.md", "recipe.toml"
CEILING = 80.0  # dB, the most that `psnr` gives
FRONT = """---
license: unknown
library_name: restorekit
pipeline_tag: image-to-image
tags: [image-restoration, lora, {name}]
metrics: [psnr]
---

"""
LEFT_OUT = ("run", "export", "from_weights")  # which belong to one run, not to the basis


def publish(training: BasisTraining, folder: Path, settings: Settings) -> tuple[Path, ...]:
    """Write recipe and card beside an exported basis; the files.

    training: as it was exported.
    folder: of the basis.
    settings: of the run.
    """
    return (
        write_unless_edited(folder / RECIPE, recipe_text(settings, training.recipe)),
        write_unless_edited(folder / CARD, card_of(training, folder)),
    )


def recipe_text(settings: Settings, recipe: Any) -> str:
    """The run of a basis as a file, which `restorekit train` runs again."""
    values: dict[str, Any] = {
        f.name: getattr(settings, f.name)
        for f in fields(Settings)
        if f.name not in LEFT_OUT and (f.name == "training" or getattr(settings, f.name) != f.default)
    }
    values |= asdict(recipe) | {"names": recipe.names[:1]}
    lines = [f"{name} = {in_toml(value)}" for name, value in values.items() if value is not None]
    return "# restorekit train recipe.toml run=FOLDER export=FOLDER\n" + "\n".join(lines) + "\n"


def in_toml(value: Any) -> str:
    """A text, number, truth or list of them as TOML has it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(in_toml, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value)


@torch.inference_mode()
def card_of(training: BasisTraining, folder: Path) -> str:
    """A model card with front matter; every figure in it is measured here, on held-out pictures."""
    new, recipe, counters = training.degradations[0], training.recipe, training.counters
    with training.average.used():
        gains = gain_rows(training)
        harms = harm_rows(training)
    about = f": {new.summary}" if new.summary else ""
    scale = f"{new.severity.symbol}{', ' + new.severity.unit if new.severity.unit else ''}"
    software = f"restorekit {restorekit.__version__} and torch {torch.__version__}"
    parts = [
        f"# Basis `{new.name}`",
        paragraph(
            f"Removes {new.name}{about}. A LoRA of rank {recipe.rank}, by `restorekit train basis`, for the "
            f"backbone {training.backbone_sha256[:12]} and the encoder {training.encoder_sha256[:12]}. Licence of "
            "the weights, origin and licence of the photographs: to be said here by whoever publishes it."
        ),
        "## Measured",
        paragraph(
            f"PSNR in dB, one step, {len(training.crops)} held-out pictures of {recipe.picture} px a side; "
            f"severity: {scale}. Named is with the weight 1, blind with the weight that the key finds."
        ),
        table(("severity", "input", "named", "blind"), gains),
        paragraph(
            "Harm: PSNR of the output to the input, of pictures that lack it; "
            f"{CEILING:.0f} is counted for no difference."
        ),
        table(("picture", "named, which is wrong", "blind"), harms),
        about_key(training, folder),
        "## Made",
        paragraph(
            f"`restorekit train {RECIPE}`, with the photographs in place: {counters.iteration:,} steps of "
            f"{recipe.groups} x {recipe.group_size} patches of {recipe.patch} px in {counters.seconds:.0f} s, "
            f"seed {recipe.seed}, on {machine(training)}, by {software}. "
            f"{training.about_photos()}"
        ),
    ]
    return FRONT.format(name=new.name) + "\n\n".join(parts) + "\n"


def paragraph(text: str) -> str:
    """Fold a paragraph into lines."""
    return textwrap.fill(text, 115, break_long_words=False, break_on_hyphens=False)


def machine(training: BasisTraining) -> str:
    """The device that computed, as a person knows it."""
    return processor() if training.device.type == "cpu" else device_name(training.device)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def gain_rows(training: BasisTraining) -> list[list[str]]:
    """PSNR before and after, at each named severity."""
    rows = []
    for name, (degraded, clean) in training.severities().items():
        named = psnr(restored(training, degraded), clean)
        blind = blindly(training, degraded)
        last = "-" if blind is None else f"{psnr(blind, clean):.2f}"
        rows.append([name, f"{psnr(degraded, clean):.2f}", f"{named:.2f}", last])
    return rows


def harm_rows(training: BasisTraining) -> list[list[str]]:
    """PSNR of output to input, of clean pictures and of those with each other degradation."""
    pictures = {"clean": training.clean_crops}
    for row, other in enumerate(training.degradations[1:]):
        worse = training.made(5000 + row, other)
        pictures[other.severity.describe(typical([other])[other.name]) + f" ({other.name})"] = worse
    rows = []
    for name, images in pictures.items():
        blind = blindly(training, images)
        last = "-" if blind is None else f"{psnr(blind, images):.2f}"
        rows.append([name, f"{psnr(restored(training, images), images):.2f}", last])
    return rows


def restored(training: BasisTraining, images: Tensor, weight: float = 1.0) -> Tensor:
    """Pictures, (N, 3, H, W), restored with the new basis alone."""
    names = training.recipe.names
    return training.predict(images, weight * one_hot_weights(names, names[:1]))


def blindly(training: BasisTraining, images: Tensor) -> Tensor | None:
    """Pictures, (N, 3, H, W), restored each with the weight that the key finds in it; None without a good key."""
    if training.fitted is None or not training.fitted[1].good:
        return None
    weights = found_weights(training, training.fitted[0], images).tolist()
    return torch.cat([restored(training, image[None], w) for image, w in zip(images, weights, strict=True)])


def found_weights(training: BasisTraining, key: BasisKey, images: Tensor) -> Tensor:
    """Weights of the basis by its key, (N,)."""
    queries = training.encoder.query(images.clamp(0, 1), statistics=True).cpu()
    return weights_of(key.logit(queries))


def about_key(training: BasisTraining, folder: Path) -> str:
    """A paragraph on the key."""
    if training.fitted is None:
        return "It has no key: its weight is 0 until the user sets it."
    judged, name = training.fitted[1], training.degradations[0].name
    found = (
        f"The key, on {judged.queries} pictures: {judged.found:.1%} of those with {name} get at least half of the "
        f"basis, {judged.false_alarms:.1%} of those without it more than {HARMFUL:g} of it."
    )
    if judged.natural:
        found += f" Left out of that: {judged.natural:.1%} of the photographs, which look like it by nature."
    if judged.kin:
        found += f" It is not told from what is the same but for its name: {', '.join(judged.kin)}."
    if not (folder / KEY).exists():
        found += f" That is too little: it ships without a key, and `--set {name}=1` uses it."
    return paragraph(found)
