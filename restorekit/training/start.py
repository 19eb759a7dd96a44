"""The way from a folder of photographs and a catalogue to a training that is ready to run.

A run folder keeps `checkpoint.safetensors`; where it is there, the training goes on from it. `weights` folders
are laid out as `weights/` is: backbone/, encoder/ and one folder per basis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from restorekit.degradation import Degradation
from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import TENSORS, FlowUnet
from restorekit.model.basis import Basis, LoraLayer
from restorekit.model.encoder import DegradationEncoder, EncoderConfig
from restorekit.model.key import BasisKey
from restorekit.model.lora import layer_shapes
from restorekit.model.weights import digest
from restorekit.plugin import BackboneCard, ModelCard
from restorekit.plugin.catalog import Catalog
from restorekit.plugin.loading import load_bases
from restorekit.remote import fetch
from restorekit.running.loading import load_backbone
from restorekit.training.backbone import BackboneTraining
from restorekit.training.base import Training
from restorekit.training.basis import BasisTraining
from restorekit.training.checkpoint import CHECKPOINT
from restorekit.training.detail import DetailTraining
from restorekit.training.encoder import EncoderTraining
from restorekit.training.engine import Engine
from restorekit.training.latent import LatentTraining
from restorekit.training.look import LookTraining
from restorekit.training.on_top import OnTop
from restorekit.training.paired import PairedBasisTraining, PairedPhotos
from restorekit.training.photos import Photos
from restorekit.training.recipes import (
    BackboneRecipe,
    BasisRecipe,
    DetailRecipe,
    EncoderRecipe,
    LatentRecipe,
    LookRecipe,
)
from restorekit.training.specialised import save_memory

__all__ = [
    "check_photos",
    "keys_in",
    "model_in",
    "per_name",
    "start_backbone",
    "start_basis",
    "start_basis_of",
    "start_encoder",
    "start_latent",
    "start_on_top",
]

EMBEDDED = f"{FlowUnet.__module__}:{FlowUnet.__qualname__}"
DEFAULT = EncoderConfig()  # its blocks are added to a saved encoder that has fewer, without effect at first


def resume_or_start(training: Training, run: Path) -> bool:
    """True if the run folder had a checkpoint and the training goes on from it."""
    checkpoint = run / CHECKPOINT
    if checkpoint.exists():
        training.resume(checkpoint)
        return True
    return False


def start_backbone(
    recipe: BackboneRecipe,
    catalog: Catalog,
    photos: Photos,
    run: Path,
    weights: Path | None,
    engine: Engine | None = None,
) -> BackboneTraining:
    """Begin at the run folder's checkpoint, else at saved weights if given, else at nothing.

    recipe: choices of the training.
    catalog: has its degradations.
    photos: to train and validate on.
    run: folder of the checkpoint.
    weights: folder of saved weights.
    engine: see `Training`.
    """
    training = BackboneTraining(recipe, [catalog.degradation(n) for n in recipe.names], photos, engine)
    # A checkpoint has what changes; what `only` keeps comes from the saved weights, each time.
    if weights is not None and (recipe.only or not (run / CHECKPOINT).exists()):
        bases = [Basis(name, name, weights / name) for name in recipe.names]
        training.start_from_weights(FlowUnet.from_folder(weights / "backbone"), bases)
    if recipe.blind_share:
        if weights is None:
            raise TrainingError("--blind-share wants an encoder; pass --from-weights")
        keys = keys_in(weights, recipe.names)
        training.use_encoder(DegradationEncoder.from_folder(weights / "encoder"), keys)
    resume_or_start(training, run)
    return training


def start_encoder(
    recipe: EncoderRecipe,
    catalog: Catalog,
    photos: Photos,
    run: Path,
    weights: Path,
    start: Path | None = None,
    engine: Engine | None = None,
) -> EncoderTraining:
    """Begin at the run folder's checkpoint, else at a saved encoder and keys if given, else at nothing.

    recipe: choices of the training.
    catalog: has its degradations.
    photos: to train and validate on.
    run: folder of the checkpoint.
    weights: folder of the backbone and bases.
    start: folder of the saved encoder and keys.
    engine: see `Training`.
    """
    if recipe.lessons and start is None:
        raise TrainingError("lessons want from_weights: the encoder that is to learn, and to forget nothing")
    saved = None if start is None else DegradationEncoder.from_folder(start / "encoder")
    training = EncoderTraining(
        recipe,
        [catalog.degradation(n) for n in recipe.names],
        photos,
        FlowUnet.from_folder(weights / "backbone"),
        [Basis(name, name, weights / name) for name in recipe.names],
        None if saved is None else replace(saved.config, blocks=DEFAULT.blocks, fine=DEFAULT.fine),
        engine,
    )
    # The teacher is the saved encoder, each time.
    if saved is not None and start is not None and (recipe.lessons or not (run / CHECKPOINT).exists()):
        training.start_from_weights(saved, keys_in(start, recipe.names))
    resume_or_start(training, run)
    return training


def start_basis(
    name: str,
    recipe: BasisRecipe,
    catalog: Catalog,
    photos: Photos,
    run: Path,
    weights: Path,
    engine: Engine | None = None,
) -> BasisTraining:
    """Begin one basis beside others, which keep what they have.

    name: of its degradation.
    recipe: choices of the training.
    catalog: has the degradations and the other bases.
    photos: to train and validate on.
    run: folder of the checkpoint.
    weights: folder of backbone, encoder and other bases.
    engine: see `Training`.
    """
    return start_basis_of(model_in(weights), name, recipe, catalog, photos, run, engine)


def model_in(weights: Path) -> ModelCard:
    """The model of a folder of weights, whose backbone is the embedded one."""
    return ModelCard(str(weights), BackboneCard("backbone", EMBEDDED, weights / "backbone"), weights / "encoder")


def start_basis_of(
    model: ModelCard,
    name: str,
    recipe: BasisRecipe,
    catalog: Catalog,
    photos: Photos | PairedPhotos,
    run: Path,
    engine: Engine | None = None,
    start: Path | None = None,
) -> BasisTraining:
    """Begin one basis for a model, beside its bases in the catalogue, which keep what they have.

    model: has backbone and encoder, of any class.
    name: of its degradation.
    recipe: choices of the training; sides are rounded up to what the backbone takes.
    catalog: has the degradations and the other bases.
    photos: to train and validate on; pairs for a degradation that is known from pairs.
    run: folder of the checkpoint.
    engine: see `Training`.
    start: folder of a basis to begin at, where its shapes fit and there is no checkpoint.
    """
    plain = photos.plain is not None if isinstance(photos, PairedPhotos) else True
    check_photos(catalog.degradation(name), in_pairs=isinstance(photos, PairedPhotos), plain=plain)
    for remote in model.remotes:
        fetch(remote)
    backbone, encoder = load_backbone(model.backbone), DegradationEncoder.from_folder(model.encoder)
    if engine is not None and engine.recompute:
        save_memory(backbone)
    loaded = load_bases(catalog, model, layer_shapes(backbone.network), encoder.lengths)
    others: dict[str, Mapping[str, LoraLayer]] = {}  # by degradation
    for basis in (catalog.basis(n) for n in sorted(loaded.layers)):
        removes = basis.degradation
        if removes not in (name, "") and not catalog.degradation(removes).paired:
            others.setdefault(removes, loaded.layers[basis.name])
    multiple = backbone.facts.multiple
    sides = {side: -(-getattr(recipe, side) // multiple) * multiple for side in ("patch", "picture")}
    recipe = replace(recipe, names=(name, *others), **sides)
    kind = PairedBasisTraining if isinstance(photos, PairedPhotos) else BasisTraining
    training = kind(
        recipe,
        list(catalog.degradations.values()),
        photos,  # type: ignore[arg-type]
        backbone,
        model.backbone.sha256,
        others,
        encoder,
        model.encoder_sha256,
        [failure for failure in loaded.failures if failure.basis != name],
        engine,
    )
    resumed = resume_or_start(training, run)
    if start is not None:
        old = Basis(name, name, start)
        training.keep_key_of(old)
        if not resumed:
            training.start_from(old.layers())
    return training


def check_photos(degradation: Degradation, *, in_pairs: bool, plain: bool) -> None:
    """Raise TrainingError for a degradation that is known from pairs and would get other photographs, or the
    reverse.

    in_pairs: whether there are photographs in pairs.
    plain: whether there are others.
    """
    name = degradation.name
    if degradation.paired and not in_pairs:
        raise TrainingError(f"{name} is known from pairs of photographs; give --pairs INPUT/ TARGET/")
    if degradation.paired and plain:
        raise TrainingError(f"{name} is known from pairs of photographs, in place of photos; give the pairs alone")
    if in_pairs and not degradation.paired and not plain:
        raise TrainingError(
            f"{name} is made of clean photographs, its severity in a unit that pairs do not tell; "
            "give a folder of clean ones, beside pairs for a basis whose pictures are prepared, "
            "or register a restorekit.plugin.Paired of another name for the pairs"
        )


def start_on_top(
    recipe: DetailRecipe | LookRecipe,
    catalog: Catalog,
    photos: Photos,
    run: Path,
    weights: Path,
    engine: Engine | None = None,
) -> OnTop:
    """Begin a basis for natural sharpness or for the look.

    recipe: choices of the training.
    catalog: has the degradations.
    photos: to train and validate on.
    run: folder of the checkpoint.
    weights: folder of backbone and bases.
    engine: see `Training`.
    """
    others = {name: Basis(name, name, weights / name).layers() for name in recipe.names}
    degradations = [catalog.degradation(name) for name in recipe.names]
    backbone, sha256 = FlowUnet.from_folder(weights / "backbone"), digest(weights / "backbone" / TENSORS)
    training: OnTop
    if isinstance(recipe, LookRecipe):
        training = LookTraining(recipe, degradations, photos, backbone, sha256, others, engine)
    else:
        training = DetailTraining(recipe, degradations, photos, backbone, sha256, others, engine)
    resume_or_start(training, run)
    return training


def start_latent(
    recipe: LatentRecipe, catalog: Catalog, photos: Photos, run: Path, engine: Engine | None = None
) -> LatentTraining:
    """Begin a small latent model at the run folder's checkpoint, else at nothing.

    recipe: choices of the training.
    catalog: has its degradations.
    photos: to train and validate on.
    run: folder of the checkpoint.
    engine: see `Training`.
    """
    training = LatentTraining(recipe, [catalog.degradation(n) for n in recipe.names], photos, engine)
    resume_or_start(training, run)
    return training


def keys_in(weights: Path, names: Sequence[str]) -> list[BasisKey]:
    """The saved key of each basis."""
    keys = {name: key for name in names if (key := Basis(name, name, weights / name).key()) is not None}
    without = [name for name in names if name not in keys]
    if without:
        raise TrainingError(f"{weights} has no key for {', '.join(without)}; train one with `train encoder`")
    return [keys[name] for name in names]


def per_name(names: Sequence[str], default: float, chosen: dict[str, float]) -> tuple[float, ...]:
    """One value per basis.

    names: of the bases.
    default: of those for which nothing was chosen.
    chosen: by name.
    """
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        raise TrainingError(f"no basis {', '.join(unknown)}; there are {', '.join(names)}")
    return tuple(chosen.get(name, default) for name in names)
