"""Options of a request: those of `restorekit restore` that concern one picture, as a query has them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from restorekit.errors import MixingError, not_mixed
from restorekit.files import FORMATS
from restorekit.plugin.catalog import Catalog
from restorekit.web.serve_refusals import Refusal
from restorekit.weighing.control import Wish
from restorekit.work.looks import read_look
from restorekit.work.request import Options

__all__ = ["Wishes"]

FORMS = tuple(ending.removeprefix(".") for ending in FORMATS)


class Wishes(BaseModel):
    """The options of one request; a name that is none of them is refused."""

    model_config = ConfigDict(extra="forbid")

    set: list[str] = Field(
        [], description="Weight of a basis, as noise=0.5: 0 is off, 1 removes all. Repeatable, as all names are."
    )
    adjust: list[str] = Field([], description="Factor of the weight that is seen: blur=0.5 halves it.")
    only: list[str] = Field([], description="Basis to use, all others at 0.")
    without: list[str] = Field([], description="Basis to leave out.")
    keep: list[str] = Field([], description="Thing that stays, such as grain; `restorekit presets` lists them.")
    strength: float = Field(1.0, ge=0, le=1.5, description="Factor of all weights; 0 is the input.")
    scale: int = Field(1, ge=1, le=4, description="Factor of enlargement: 2, 3 or 4.")
    look: str = Field("0", description="Share of a photograph's texture to give to the result, 0 to 1.")
    steps: int | None = Field(
        None, ge=1, le=50, description="Steps of the sampler, 1; with a look of its flow, 4."
    )
    seed: int | None = Field(None, description="Seed of the noise that a look begins with.")
    ensemble: bool = Field(False, description="Restore the mirror images too, and average: four times as slow.")
    tile: int | None = Field(None, ge=64, le=4096, description="Side of a tile, px; smaller needs less memory.")
    format: str = Field("", description=f"Format of the result: {', '.join(FORMS)}. Default: that of the picture.")
    quality: int | None = Field(None, ge=1, le=100, description="Quality of JPEG, WebP, AVIF and HEIC.")
    metadata: Literal["keep", "strip"] = Field("keep", description="EXIF, XMP, IPTC, text and resolution.")
    salvage: bool = Field(False, description="Take what can be read of a damaged file.")
    answer: Literal["picture", "json"] = Field(
        "picture", description="The picture, its findings in a header; or JSON with both, the picture in base64."
    )

    def options(self, catalog: Catalog, tile: int) -> Options:
        """The wishes as those of a run. Raises RestorekitError for names and weights that there are not.

        tile: side, px, of the largest that the machine has room for.
        """
        wish = self.wish(catalog)
        return Options(
            blind=wish.blind,
            wish=wish,
            scale=self.scale,
            look=read_look(self.look, catalog, "look"),
            steps=self.steps,
            seed=self.seed,
            tile=min(self.tile or tile, tile),
            ensemble=self.ensemble,
            quality=self.quality,
            strip=self.metadata == "strip",
            salvage=self.salvage,
        )

    def wish(self, catalog: Catalog) -> Wish:
        """The user's words over what is found, checked against the bases and presets there are."""
        chosen = numbers_of("set", self.set)
        wish = Wish(
            keep=tuple(self.keep),
            adjust=numbers_of("adjust", self.adjust),
            set=chosen,
            only=tuple(self.only),
            without=tuple(self.without),
            strength=self.strength,
        )
        for name in catalog.looks.keys() & set(wish.named):
            raise MixingError(not_mixed(name))
        wish.check(catalog.bases, catalog.presets)
        for name, weight in chosen.items():
            catalog.basis(name).check_weight(weight)
        return wish

    @property
    def ending(self) -> str:
        """Ending of the result's format, such as ".png"; empty for the picture's own."""
        if self.format and self.format not in FORMS:
            raise Refusal(422, f"format must be one of {', '.join(FORMS)}, got {self.format!r}")
        return f".{self.format}" if self.format else ""


def numbers_of(option: str, texts: list[str]) -> dict[str, float]:
    """Read NAME=NUMBER, each name once."""
    numbers: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name in numbers:
            raise MixingError(f"{option} names {name} twice; give it once")
        try:
            numbers[name] = float(number)
        except ValueError:
            raise MixingError(f"{option}={text} has no number; write {option}={name}=0.5") from None
    return numbers
