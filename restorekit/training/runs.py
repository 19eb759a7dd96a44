"""A run as a file: TOML with one key for each field of `Settings` and of the training's recipe.

    training = "backbone"
    photos = ["photos/"]
    deadline = "9m"
    names = ["noise", "blur"]
    shares = { noise = 2 }
    sets = [["noise+blur", 0.1]]

Keys that are left out have the defaults of the dataclasses; shares and ranks may name some of the bases only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from restorekit.errors import TrainingError
from restorekit.training.calibration import MOVED
from restorekit.training.recipes import (
    BackboneRecipe,
    BasisRecipe,
    DetailRecipe,
    EncoderRecipe,
    LatentRecipe,
    LookRecipe,
)
from restorekit.training.sets import names_in

if TYPE_CHECKING:
    from restorekit.plugin import ModelCard
    from restorekit.plugin.catalog import Catalog
    from restorekit.training.base import Training
    from restorekit.training.engine import Engine
    from restorekit.training.paired import PairedPhotos
    from restorekit.training.photos import Photos

__all__ = [
    "NOT_OF",
    "RECIPES",
    "Settings",
    "base_of",
    "make_recipe",
    "model_of",
    "read_run",
    "run_folder",
    "smallest_photo",
    "start_run",
]

RECIPES: Mapping[str, type] = {
    "backbone": BackboneRecipe,
    "encoder": EncoderRecipe,
    "basis": BasisRecipe,
    "detail": DetailRecipe,
    "latent": LatentRecipe,
    "look": LookRecipe,
}
FIRST_PARTY = ("noise", "blur", "lowres", "rain", "jpeg")
NOT_OF = {
    "backbone": ("weights", "model", "pairs"),
    "encoder": ("model", "pairs"),
    "basis": (),
    "detail": ("from_weights", "model", "pairs"),
    "latent": ("weights", "model", "from_weights", "pairs"),
    "look": ("from_weights", "model", "pairs"),
}
BY_NAME = ("shares", "ranks")  # fields with one number for each basis, in the order of `names`
WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Settings:
    """Fields of a run beside those of its recipe, named as the options of the commands.

    training: backbone, encoder, basis, detail, latent or look.
    photos: folders of clean photographs.
    pairs: folders of the inputs and of the targets, for a basis that is learnt from pairs: in place of photos
        where its degradation cannot be made, else beside photos for its key.
    run: folder for checkpoints and logs; "" for runs/ and the name of the training or of the basis.
    weights: finished weights that encoder, basis and detail are for; the shipped ones if None.
    model: name of an installed model that a basis is for, in place of weights.
    from_weights: weights to go on from, of backbone or encoder; the folder of one basis to begin a basis at.
    """

    training: str
    photos: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    run: str = ""
    weights: str | None = None
    model: str = ""
    from_weights: str | None = None
    export: str | None = None
    minutes: float | None = None
    iterations: int | None = None
    deadline: str | None = None
    device: str = "auto"
    compile: str = "auto"
    checkpoint: str = "all"
    eight_bit: bool = False
    recompute: bool = False
    checkpoint_minutes: float = 10.0
    threads: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.model and self.weights is not None:
            raise TrainingError(f"a basis is for one model; name weights {self.weights} or model {self.model}")
        if self.pairs and len(self.pairs) != 2:
            raise TrainingError(f"pairs are two folders, input and target; got {', '.join(self.pairs)}")


def read_run(path: Path, changes: Iterable[str]) -> tuple[Settings, dict[str, Any]]:
    """Read a run and change some of its keys.

    path: the TOML file.
    changes: KEY=VALUE each; the value as in the file, a text also without its quotes.
    Returns the settings, and the fields of the recipe that were given; see `make_recipe`.
    Raises TrainingError for what is no such file, an unknown key, or a value of another type.
    """
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{path} is no recipe ({error}); write KEY = VALUE lines as TOML has them") from None
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise TrainingError(f"changes are KEY=VALUE, got {change!r}")
        values[key.strip()] = as_toml(text)
    training = str(values.get("training"))
    if training not in RECIPES:
        raise TrainingError(f"training must be {', '.join(RECIPES)}, got {training!r}; name it in {path}")
    recipe = RECIPES[training]
    known = [f.name for kind in (Settings, recipe) for f in fields(kind) if f.name not in NOT_OF[training]]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise TrainingError(f"no key {', '.join(unknown)} for {training}; there are {', '.join(known)}")
    settings = typed(Settings, values)
    if "photos" not in settings and "pairs" not in settings:
        raise TrainingError(f"{path} lacks photos; add it, or photos=... to the command")
    return Settings(**settings), typed(recipe, values)


def as_toml(text: str) -> Any:
    """Read a value as a TOML file has it; what is none is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def typed(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert those of the values that are fields of a dataclass to the types of the fields."""
    hints = get_type_hints(kind)
    return {f.name: converted(values[f.name], hints[f.name], f.name) for f in fields(kind) if f.name in values}


def converted(value: Any, hint: Any, key: str) -> Any:
    """Convert a TOML value to a type: lists to tuples, whole numbers to floats where those are wanted.

    value: as TOML has it.
    hint: the type.
    key: of the run that has the value.
    """
    if get_origin(hint) is UnionType:
        (hint,) = (kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if key in BY_NAME and isinstance(value, Mapping):
            return {name: converted(number, kinds[0], f"{key}.{name}") for name, number in value.items()}
        if isinstance(value, str) and kinds[0] is str and kinds[-1] is Ellipsis:
            value = value.split(",")
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TrainingError(f"{key} must be a list, got {value!r}")
        if kinds[-1] is Ellipsis:
            return tuple(converted(part, kinds[0], key) for part in value)
        if len(value) != len(kinds):
            raise TrainingError(f"{key} must have {len(kinds)} values in each entry, got {value!r}")
        return tuple(converted(part, kind, key) for part, kind in zip(value, kinds, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TrainingError(f"{key} must be {WORDS[hint]}, got {value!r}")
    return value


def make_recipe(settings: Settings, given: Mapping[str, Any]) -> Any:
    """Make the recipe of a run.

    given: fields of the recipe; shares and ranks a tuple, or a table of some of the bases. What is missing is as
        the commands have it: all first-party bases, equally often, of the rank and the shape of `from_weights`.
    """
    from restorekit.model.backbone.flow_unet import FlowUnetConfig
    from restorekit.model.basis import Basis
    from restorekit.training.start import per_name

    kind = RECIPES[settings.training]
    if settings.training == "basis" and len(given.get("names", ())) != 1:
        raise TrainingError("a run of the training basis wants names with one degradation; write names = [NAME]")
    values: dict[str, Any] = {"names": FIRST_PARTY, **given}
    names, wanted = values["names"], {f.name for f in fields(kind)}
    saved = None if settings.from_weights is None else Path(settings.from_weights)
    ranks: dict[str, float] = {}
    if settings.training == "backbone" and saved is not None:
        shape = FlowUnetConfig.from_folder(saved / "backbone")
        values = {"channels": shape.channels, "blocks": shape.blocks, **values}
        ranks = {name: Basis(name, name, saved / name).rank for name in names}
    if settings.training in ("detail", "look"):
        values.setdefault("name", settings.training)
    for key, default in (("shares", 1.0), ("ranks", 32)):
        number = values.get(key, {})
        if key in wanted and isinstance(number, Mapping):
            filled = per_name(names, default, {**(ranks if key == "ranks" else {}), **number})
            values[key] = tuple(int(n) for n in filled) if key == "ranks" else filled
        elif key in wanted and len(number) != len(names):
            raise TrainingError(f"{key} must have {len(names)} numbers, as names has, got {len(number)}")
    check_names("only", values.get("only", ()), names)
    check_names("sets", (name for text, _ in values.get("sets", ()) for name in names_in(text)), names)
    check_names("calibrate", values.get("calibrate", ()), MOVED)
    if values.get("only") and saved is None:
        raise TrainingError("only wants from_weights: what the others keep comes from there")
    return kind(**values)


def base_of(settings: Settings) -> Path | None:
    """Folder of the weights that a run goes on from or is for; None for a backbone from nothing."""
    from restorekit.model.weights import shipped_weights

    if settings.training in ("backbone", "latent"):
        return None if settings.from_weights is None else Path(settings.from_weights)
    return shipped_weights("backbone").parent if settings.weights is None else Path(settings.weights)


def run_folder(settings: Settings, recipe: Any) -> Path:
    """Folder for the checkpoints and the log of a run."""
    return Path(settings.run or f"runs/{recipe.names[0] if settings.training == 'basis' else settings.training}")


def smallest_photo(settings: Settings, recipe: Any) -> int:
    """Short side, in px, that a photograph needs to be of use in a run."""
    side: int = recipe.picture if settings.training in ("encoder", "basis") else recipe.patch
    return side


def start_run(
    settings: Settings, recipe: Any, catalog: Catalog, photos: Photos | PairedPhotos, engine: Engine
) -> Training:
    """Make the training of a run, at its checkpoint or at its beginning.

    settings, recipe: of the run.
    catalog: has degradations and bases.
    photos: to train and validate on; pairs where the settings have them.
    engine: see `Training`.
    """
    from restorekit.model.weights import shipped_weights
    from restorekit.training.photos import Photos
    from restorekit.training.start import (
        start_backbone,
        start_basis_of,
        start_encoder,
        start_latent,
        start_on_top,
    )

    run = run_folder(settings, recipe)
    start = None if settings.from_weights is None else Path(settings.from_weights)
    if settings.training == "basis":
        model = model_of(settings, catalog)
        return start_basis_of(model, recipe.names[0], recipe, catalog, photos, run, engine, start)
    if not isinstance(photos, Photos):
        raise TrainingError(f"the training {settings.training} takes photographs, not pairs")
    if settings.training == "backbone":
        return start_backbone(recipe, catalog, photos, run, start, engine)
    if settings.training == "latent":
        return start_latent(recipe, catalog, photos, run, engine)
    weights = shipped_weights("backbone").parent if settings.weights is None else Path(settings.weights)
    if settings.training == "encoder":
        return start_encoder(recipe, catalog, photos, run, weights, start, engine)
    return start_on_top(recipe, catalog, photos, run, weights, engine)


def model_of(settings: Settings, catalog: Catalog) -> ModelCard:
    """The model that a basis is for: a folder of weights that is named, else the one of the catalogue.

    catalog: seen from the model that the settings name.
    """
    from restorekit.training.start import model_in

    return catalog.model if settings.weights is None else model_in(Path(settings.weights))


def check_names(key: str, chosen: Iterable[str], known: Sequence[str]) -> None:
    """Raise TrainingError for a name that is not among the known ones.

    key: of the run that has the names.
    chosen: its names.
    known: those that there are.
    """
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise TrainingError(f"{key} names {', '.join(unknown)}; there are {', '.join(known)}")
