"""Facts of a latent backbone that its diffusers files do not say: `config.json` of its folder. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from restorekit.errors import WeightsError
from restorekit.model.weights import load_json, save_json

__all__ = ["COLOURS", "CONFIG", "FAMILIES", "FORMS", "PRECISIONS", "PREDICTIONS", "LatentConfig"]

CONFIG = "config.json"
FAMILIES = {"unet": "unet", "sd3": "transformer", "flux": "transformer"}  # and the part of a pipeline that it is
FORMS = ("residual", "scheduler")
PREDICTIONS = ("epsilon", "v_prediction", "sample", "flow")
COLOURS = ("off", "statistics", "wavelet")
PRECISIONS = ("fp32", "bf16", "fp16")
TIMES = 1000.0  # steps of the schedules that these models were trained with


@dataclass(frozen=True)
class LatentConfig:
    """A latent backbone.

    family: "unet" (Stable Diffusion 1.5, 2.1, Turbo, SDXL), "sd3" or "flux".
    form: "residual", z0 = z - t network(z, t time), or "scheduler", z0 by the prediction type.
    prediction: epsilon, v_prediction, sample or flow: the network's output in the form "scheduler".
    time: of the pass, in the schedule's steps, in (0, 1000].
    head: output layer, stored without a weight of its own, so that each basis brings one; empty where the network
        keeps its own, and a mixture near zero is not near the picture.
    colour: "wavelet", the low band of the degraded picture; "statistics", its mean and deviation; "off".
    tile: largest side in px that the networks see at once.
    overlap: of neighbouring tiles, px.
    precision: number format in which a GPU holds the weights; a CPU holds float32.
    offload: whether the weights stay in the computer's memory and visit the GPU part by part.
    guidance: value for networks that are told one (FLUX dev).
    """

    family: str
    form: str = "residual"
    prediction: str = "epsilon"
    time: float = 1.0
    head: str = ""
    colour: str = "wavelet"
    tile: int = 768
    overlap: int = 128
    precision: str = "fp32"
    offload: bool = False
    guidance: float = 1.0

    def __post_init__(self) -> None:
        words = {"family": FAMILIES, "form": FORMS, "prediction": PREDICTIONS, "colour": COLOURS}
        for name, known in {**words, "precision": PRECISIONS}.items():
            if getattr(self, name) not in known:
                raise WeightsError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}; correct {CONFIG}"
                )
        if not 0 < self.time <= TIMES:
            raise WeightsError(f"time must lie in (0, {TIMES:g}], got {self.time:g}; correct {CONFIG}")
        if not 0 <= 2 * self.overlap <= self.tile:
            raise WeightsError(
                f"overlap must be 0 to half a tile of {self.tile} px, got {self.overlap}; correct {CONFIG}"
            )

    @property
    def part(self) -> str:
        """Subfolder of the network, diffusers' name: unet or transformer."""
        return FAMILIES[self.family]

    @classmethod
    def from_folder(cls, folder: Path) -> LatentConfig:
        """Load a folder's config.json, verified; fields of later versions are refused by name."""
        values = load_json(folder / CONFIG)
        try:
            return cls(**values)
        except TypeError:
            known = {field.name for field in fields(cls)}
            strange = ", ".join(sorted(set(values) - known)) or "values of another type, or no family"
            raise WeightsError(f"{folder / CONFIG} has {strange}; prepare the folder again") from None

    def save(self, folder: Path) -> None:
        """Write config.json into a folder."""
        save_json(folder / CONFIG, asdict(self))
