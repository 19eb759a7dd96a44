"""Noise. Sensors count photons and then amplify:  noisy = image + sqrt(sigma^2 + gain image) n,  n ~ N(0, 1).

kinds: `gaussian` (white, independent per channel, the papers' noise), `grey` (one field for all channels),
`poisson` (its variance grows with brightness), `correlated` (demosaicking and resizing blur the noise: it comes
in blotches and differs per channel), `camera` (made in the raw mosaic and developed with the picture, see
`camera`), `grain` (of film: blotches, strongest in the middle tones). The last two are made with the picture:
their severity is the root mean square of what they change in it.
Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting", 2008, https://doi.org/10.1109/TIP.2008.2001399
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity
from restorekit_denoise.camera import SETTINGS, camera_noise
from restorekit_denoise.grain import correlate, film, film_grain

if TYPE_CHECKING:
    from torch import Generator, Tensor

SHARES = (0.76, 0.08, 0.08, 0.08)  # of the first four kinds, in training
CAMERA, GRAIN = 4, 5  # the places of the kinds that are made with the picture
CAMERA_SHARE, GRAIN_SHARE = 0.2, 0.04  # of all pictures


class Noise(Degradation):
    """Sensor noise; the severity is its standard deviation at mid-grey on the 0-255 scale, of kinds that are made
    with the picture that in the whole picture."""

    name = "noise"
    severity = Severity(symbol="sigma", unit="", off=0, mild=2, strong=75, typical=25)
    kinds = ("gaussian", "grey", "poisson", "correlated", "camera", "grain")
    order = 40
    rounded = False
    summary = "sensor noise: Gaussian, Poisson-Gaussian, grey, spatially correlated, a camera's, film grain"

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        import torch

        batch, _, height, width = shape
        device = generator.device
        kind = self.check_kind(kind, severity)
        if severity is None:
            # Weak noise is the most frequent in photographs, strong noise the most visible: half of each.
            u = torch.rand(batch, generator=generator, device=device)
            sigma = self.severity.mild + (self.severity.strong - self.severity.mild) * u
            squared = self.severity.mild + (self.severity.strong - self.severity.mild) * u**2
            sigma = torch.where(torch.rand(batch, generator=generator, device=device) < 0.5, sigma, squared)
        else:
            sigma = torch.full((batch,), float(severity), device=device)
        if kind is None:
            shares = torch.tensor(SHARES, device=device)
            kinds = torch.multinomial(shares, batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind), device=device)
        white = field = torch.randn((batch, 3, height, width), generator=generator, device=device)
        grey, poisson, correlated = ((kinds == i).view(-1, 1, 1, 1) for i in (1, 2, 3))
        field = torch.where(grey, field[:, :1], field)
        # To ask whether there are any would wait for the device.
        if device.type != "cpu" or bool(correlated.any()):
            grain = 0.4 + 0.7 * torch.rand(batch, generator=generator, device=device)
            mix = torch.rand(batch, generator=generator, device=device) * 0.5
            field = torch.where(correlated, correlate(field, grain, mix), field)
        # The share of the variance at mid-grey that photons bring.
        photons = torch.rand((batch, 1, 1, 1), generator=generator, device=device)
        share = torch.where(poisson | correlated, photons, 0.0)
        parts = {"field": field, "photon_share": share}
        if kind is None or self.kinds.index(kind) >= CAMERA:
            # Drawn last, so that the other kinds stay as the same seed has always drawn them.
            if kind is None:
                die = torch.rand(batch, generator=generator, device=device)
                kinds = torch.where(die < CAMERA_SHARE + GRAIN_SHARE, GRAIN, kinds)
                kinds = torch.where(die < CAMERA_SHARE, CAMERA, kinds)
            settings = torch.rand((batch, SETTINGS), generator=generator, device=device)
            camera, grain = ((kinds == place).view(-1, 1, 1, 1) for place in (CAMERA, GRAIN))
            field = torch.where(camera, white, field)
            if device.type != "cpu" or bool(grain.any()):
                field = torch.where(grain, film(white, settings), field)
            parts["field"] = field
            made = torch.where(kinds == CAMERA, CAMERA, torch.where(kinds == GRAIN, GRAIN, 0))
            parts |= {"made": made, "settings": settings}
        return Realisation(sigma, parts)

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        noisy = self.add(image, realisation)
        if "made" not in realisation.parts:
            return noisy
        made = realisation["made"].to(image.device)
        for place, make in ((CAMERA, camera_noise), (GRAIN, film_grain)):
            mine = made == place
            # A CPU makes what is needed; elsewhere it is quicker to make all than to ask.
            rows = (
                mine.nonzero()[:, 0] if image.device.type == "cpu" else torch.arange(len(made), device=made.device)
            )
            if len(rows):
                sigma = (realisation.severity.to(image)[rows] / 255).view(-1, 1, 1, 1)
                field, settings = (realisation[name].to(image)[rows] for name in ("field", "settings"))
                changed = make(image[rows], sigma, field, settings)
                changed = torch.where(sigma > 0, changed, image[rows])
                changed = torch.where(mine[rows].view(-1, 1, 1, 1), changed, noisy[rows])
                noisy = noisy.index_copy(0, rows, changed)
        return noisy

    def add(self, image: Tensor, realisation: Realisation) -> Tensor:
        """The kinds that are added to the picture, for all of the batch."""
        sigma = realisation.severity.to(image).view(-1, 1, 1, 1) / 255
        share = realisation["photon_share"].to(image)
        brightness = image.clamp(0, 1)
        return image + sigma * (1 - share + share * 2 * brightness).sqrt() * realisation["field"].to(image)
