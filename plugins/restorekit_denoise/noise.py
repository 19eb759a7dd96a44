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
MADE = ("camera", "grain")  # with the picture, and not added to it
CAMERA, GRAIN = 4, 5  # their places among the kinds
CAMERA_SHARE, GRAIN_SHARE = 0.2, 0.04  # of all pictures


class Noise(Degradation):
    """Sensor noise; the severity is its standard deviation at mid-grey on the 0-255 scale, of kinds that are made
    with the picture that in the whole picture."""

    name = "noise"
    severity = Severity(symbol="sigma", unit="", off=0, mild=2, strong=75, typical=25)
    kinds = ("gaussian", "grey", "poisson", "correlated", *MADE)
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
        if self.wanted("correlated", kind, correlated):
            grain = 0.4 + 0.7 * torch.rand(batch, generator=generator, device=device)
            mix = torch.rand(batch, generator=generator, device=device) * 0.5
            field = torch.where(correlated, correlate(field, grain, mix), field)
        # The share of the variance at mid-grey that photons bring.
        photons = torch.rand((batch, 1, 1, 1), generator=generator, device=device)
        share = torch.where(poisson | correlated, photons, 0.0)
        parts = {"field": field, "photon_share": share}
        if kind is None or kind in MADE:
            # Drawn last, so that the other kinds stay as the same seed has always drawn them.
            if kind is None:
                die = torch.rand(batch, generator=generator, device=device)
                kinds = torch.where(die < CAMERA_SHARE + GRAIN_SHARE, GRAIN, kinds)
                kinds = torch.where(die < CAMERA_SHARE, CAMERA, kinds)
            settings = torch.rand((batch, SETTINGS), generator=generator, device=device)
            camera, grain = ((kinds == place).view(-1, 1, 1, 1) for place in (CAMERA, GRAIN))
            field = torch.where(camera, white, field)
            if self.wanted("grain", kind, grain):
                field = torch.where(grain, film(white, settings), field)
            parts = {"field": field, "photon_share": share, "kind": kinds, "settings": settings}
        return Realisation(sigma, parts)

    @staticmethod
    def wanted(name: str, kind: str | None, there: Tensor) -> bool:
        """Need of the kind `name`: `kind` asks for it, or the mixture. there: which of its pictures have it."""
        if kind is not None:
            return kind == name
        # Elsewhere than on a CPU it is quicker to draw it than to ask.
        return there.device.type != "cpu" or bool(there.any())

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        noisy = self.add(image, realisation)
        if "kind" not in realisation.parts:
            return noisy
        kinds = realisation["kind"].to(image.device)
        rows = torch.arange(len(kinds), device=kinds.device)
        for place, make in ((CAMERA, camera_noise), (GRAIN, film_grain)):
            mine = kinds == place
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
        """The kinds that are added to the picture, for all of the batch."""
        sigma = realisation.severity.to(image).view(-1, 1, 1, 1) / 255
        share = realisation["photon_share"].to(image)
        brightness = image.clamp(0, 1)
        return image + sigma * (1 - share + share * 2 * brightness).sqrt() * realisation["field"].to(image)
