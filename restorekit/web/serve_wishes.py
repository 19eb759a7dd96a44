"""Options of a request: those of `restorekit restore` that concern one picture, as a query has them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from restorekit.errors import MixingError
from restorekit.files import FORMATS
from restorekit.plugin.catalog import Catalog
from restorekit.web.serve_refusals import Refusal
from restorekit.work.request import Options

__all__ = ["Wishes"]

FORMS = tuple(ending.removeprefix(".") for ending in FORMATS)


class Wishes(BaseModel):
    """The options of one request; a name that is none of them is refused."""

    model_config = ConfigDict(extra="forbid")

    chosen: list[str] = Field(
        default=[],
        alias="set",
        description="Weight of a basis, as noise=0.5: 0 is off, 1 removes all. Repeatable.",
    )
    scale: int = Field(1, ge=1, le=4, description="Factor of enlargement: 2, 3 or 4.")
    steps: int = Field(1, ge=1, le=50, description="Steps of the sampler.")
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
        return Options(
            chosen=weights_of(self.chosen, catalog),
            scale=self.scale,
            steps=self.steps,
            tile=min(self.tile or tile, tile),
            ensemble=self.ensemble,
            quality=self.quality,
            strip=self.metadata == "strip",
            salvage=self.salvage,
        )

    @property
    def ending(self) -> str:
        """Ending of the result's format, such as ".png"; empty for the picture's own."""
        if self.format and self.format not in FORMS:
            raise Refusal(422, f"format must be one of {', '.join(FORMS)}, got {self.format!r}")
        return f".{self.format}" if self.format else ""


def weights_of(settings: list[str], catalog: Catalog) -> dict[str, float]:
    """Read NAME=WEIGHT, each."""
    chosen = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        basis = catalog.basis(name)
        try:
            chosen[name] = float(text)
        except ValueError:
            raise MixingError(f"set={setting} has no weight; write set={name}=1") from None
        basis.check_weight(chosen[name])
    return chosen
