"""Noise. Sensors count photons and then amplify:  noisy = image + sqrt(sigma^2 + gain image) n,  n ~ N(0, 1).

kinds: `gaussian` (white, independent per channel, the papers' noise), `grey` (one field for all channels),
`poisson` (its variance grows with brightness), `correlated` (demosaicking and resizing blur the noise: it comes
in blotches and differs per channel), `camera` (made in the raw mosaic and developed with the picture, see
`camera`), `grain` (of film: blotches, strongest in the middle tones). The last two are made with the picture:
their severity is the root mean square of what they change in it.
Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting", 2008, https://doi.org/10.1109/TIP.2008.2001399
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity
from restorekit_denoise.camera import SETTINGS, camera_noise
from restorekit_denoise.grain import correlate, film, film_grain

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Noise"]

MADE = ("camera", "grain")  # with the picture, and not added to it


class Noise(Degradation):
    """Sensor noise; the severity is its standard deviation at mid-grey on the 0-255 scale, of kinds that are made
    with the picture that in the whole picture."""

    name = "noise"
    severity = Severity(symbol="sigma", unit="", off=0, mild=2, strong=75, typical=25)
    kinds = ("gaussian", "grey", "poisson", "correlated", *MADE)
    shares = (0.5776, 0.0608, 0.0608, 0.0608, 0.2, 0.04)
    order = 40
    rounded = False
    summary = "sensor noise: Gaussian, Poisson-Gaussian, grey, spatially correlated, a camera's, film grain"

    def spread(self, u: Tensor, kinds: Tensor) -> Tensor:
        # Weak noise is the most frequent in photographs, strong noise the most visible: half of the severities are
        # spread evenly and half as the square of what is. Of both together, this is the place that u has.
        root = ((1 + 8 * u).sqrt() - 1) / 2
        return self.severity.mild + (self.severity.strong - self.severity.mild) * root**2

    def make(self, draw: Draw) -> Realisation:
        import torch

        white = field = draw.normal(3, *draw.shape[2:])
        there = {name: draw.are(name).view(-1, 1, 1, 1) for name in self.kinds}
        field = torch.where(there["grey"], field[:, :1], field)
        if draw.holds("correlated"):
            grain, mix = 0.4 + 0.7 * draw.uniform(), draw.uniform() * 0.5
            field = torch.where(there["correlated"], correlate(field, grain, mix), field)
        # The share of the variance at mid-grey that photons bring.
        share = torch.where(there["poisson"] | there["correlated"], draw.uniform(1, 1, 1), 0.0)
        parts = {"photon_share": share}
        if draw.holds(*MADE):
            parts["settings"] = draw.uniform(SETTINGS)
            field = torch.where(there["camera"], white, field)
            if draw.holds("grain"):
                field = torch.where(there["grain"], film(white, parts["settings"]), field)
        return Realisation(draw.severity, parts | {"field": field})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        noisy = self.add(image, realisation)
        if "settings" not in realisation.parts:
            return noisy
        rows = torch.arange(len(image), device=image.device)
        for kind, make in zip(MADE, (camera_noise, film_grain), strict=True):
            mine = realisation.are(kind).to(image.device)
            # Elsewhere than on a CPU it is quicker to make all pictures than to ask which.
            some = rows[mine] if image.device.type == "cpu" else rows
            if len(some):
                sigma = (realisation.severity.to(image)[some] / 255).view(-1, 1, 1, 1)
                field, settings = (realisation[name].to(image)[some] for name in ("field", "settings"))
                changed = torch.where(sigma > 0, make(image[some], sigma, field, settings), image[some])
                changed = torch.where(mine[some].view(-1, 1, 1, 1), changed, noisy[some])
                noisy = noisy.index_copy(0, some, changed)
        return noisy

    def add(self, image: Tensor, realisation: Realisation) -> Tensor:
        """Add the kinds that are not made with the picture, to all of the batch."""
        sigma = realisation.severity.to(image).view(-1, 1, 1, 1) / 255
        share = realisation["photon_share"].to(image)
        brightness = image.clamp(0, 1)
        return image + sigma * (1 - share + share * 2 * brightness).sqrt() * realisation["field"].to(image)
