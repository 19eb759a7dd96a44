"""Noise as a camera makes it: in the raw mosaic, before everything that turns it into a picture.

    raw = mosaic(undevelop(image)),   noisy = raw + level sqrt(raw + floor) n,   n ~ N(0, 1)
    degraded = image + develop(noisy) - develop(raw)

Photons give the variance level^2 raw, reading the sensor level^2 floor. Demosaicking, colour matrix, tone curve
and the camera's own smoothing and sharpening make it correlated, coloured and of another strength in each tone.
Brooks et al., "Unprocessing images for learned raw denoising", 2019, https://arxiv.org/abs/1811.11127
Hamilton & Adams, "Adaptive color plane interpolation in single sensor color electronic camera", 1997, US 5629734
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from restorekit_denoise.grain import spread, within_range

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SETTINGS", "Camera", "camera_noise", "demosaic", "inverse_matrix"]

SETTINGS = 23  # uniform numbers that make a camera
# XYZ to camera colours, of four cameras (Brooks et al.), and linear sRGB to XYZ.
XYZ_TO_CAMERA = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
LUMA = (0.299, 0.587, 0.114)
LARGEST_LEVEL = 1.0


@dataclass(frozen=True)
class Camera:
    """One camera for each picture; (B, 1, 1, 1) unless said.

    matrix: linear sRGB to camera colours, (B, 3, 3). gains: of the white balance, (B, 3, 1, 1).
    gamma, toe, contrast, pivot: of the tone curve. floor: variance of reading, as raw brightness.
    mask: which colour each pixel of the mosaic sees, (B, 3, H, W). directed: whether it interpolates along edges.
    smooth_luma, smooth_colour: strength of its denoising, 0 to 1. threshold: what its denoising takes for noise.
    sharpen: strength. soft: width in px of the blur by a later enlargement.
    """

    matrix: Tensor
    gains: Tensor
    gamma: Tensor
    toe: Tensor
    contrast: Tensor
    pivot: Tensor
    floor: Tensor
    mask: Tensor
    directed: Tensor
    smooth_luma: Tensor
    smooth_colour: Tensor
    threshold: Tensor
    sharpen: Tensor
    soft: Tensor

    @classmethod
    def make(cls, settings: Tensor, sigma: Tensor, height: int, width: int) -> Camera:
        """Make cameras of numbers.

        settings: uniform numbers, (B, SETTINGS).
        sigma: the wanted deviation, 0 to 1, (B, 1, 1, 1).
        height, width: of the pictures, px.
        """
        import torch

        u = iter(settings.view(*settings.shape, 1, 1, 1).unbind(1))

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * next(u)

        def sometimes(share: float, low: float, high: float) -> Tensor:
            """Draw between low and high in a share of the cameras, else 0."""
            present = next(u) < share
            return torch.where(present, between(low, high), 0.0)

        mix = torch.cat([between(0.02, 1) for _ in XYZ_TO_CAMERA], 1).flatten(1)  # (B, 4)
        cameras = settings.new_tensor(XYZ_TO_CAMERA) @ settings.new_tensor(RGB_TO_XYZ)
        matrix = torch.einsum("bk,kij->bij", mix, cameras)
        matrix = matrix / matrix.sum(2, keepdim=True)  # white stays white
        exposure = between(1.0, 1.6)
        gains = exposure * torch.cat([between(1.4, 2.6), torch.ones_like(exposure), between(1.3, 2.5)], 1)
        gamma, toe = between(1.8, 2.6), 10 ** between(-3.5, -2.0)
        contrast, pivot = between(0.5, 7.0), between(0.3, 0.55)
        # The noisier the setting, the larger the part of reading: Brooks et al., equation 3.
        level = (1.2 + between(-0.6, 0.6) + 1.18 * (4 * sigma.square()).clamp_min(1e-6).log()).exp()
        even = [next(u) < 0.5 for _ in range(2)]
        rows, columns = (
            (torch.arange(n, device=settings.device) % 2 == 0) ^ first
            for n, first in zip((height, width), even, strict=True)
        )
        rows = rows.mT
        mask = torch.cat([rows & columns, rows ^ columns, ~(rows | columns)], 1).to(settings)
        return cls(
            matrix,
            gains,
            gamma,
            toe,
            contrast,
            pivot,
            level.clamp(1e-5, 0.3),
            mask,
            next(u) < 0.5,
            sometimes(0.5, 0.2, 0.9),
            sometimes(0.6, 0.3, 1.0),
            (2 * sigma).clamp_min(0.002),
            sometimes(0.5, 0.2, 1.2),
            sometimes(0.35, 0.3, 0.9),
        )

    def tone(self, linear: Tensor) -> Tensor:
        """Turn light into display values: a power with a straight toe, then a curve, steepest at the pivot."""
        low, high = self.toe ** (1 / self.gamma), (1 + self.toe) ** (1 / self.gamma)
        bright = ((linear + self.toe) ** (1 / self.gamma) - low) / (high - low)
        dark, light = self.ends()
        return ((self.contrast * (bright - self.pivot)).sigmoid() - dark) / (light - dark)

    def inverse_tone(self, display: Tensor) -> Tensor:
        """Turn display values into light."""
        dark, light = self.ends()
        bright = self.pivot + (dark + display * (light - dark)).logit() / self.contrast
        low, high = self.toe ** (1 / self.gamma), (1 + self.toe) ** (1 / self.gamma)
        return (low + bright.clamp(0, 1) * (high - low)) ** self.gamma - self.toe

    def ends(self) -> tuple[Tensor, Tensor]:
        """Give the beginning and the end of the contrast's curve."""
        return (-self.contrast * self.pivot).sigmoid(), (self.contrast * (1 - self.pivot)).sigmoid()

    def undevelop(self, image: Tensor) -> Tensor:
        """Find the mosaic that would give the picture.

        image: (B, 3, H, W), in [0, 1].
        Returns (B, 1, H, W).
        """
        import torch

        colours = torch.einsum("bij,bjhw->bihw", self.matrix, self.inverse_tone(image)).clamp(0, 1)
        # What is white in the picture saturated the sensor, whatever the gains (Brooks et al., section 3.2).
        white = ((colours.mean(1, keepdim=True) - 0.9).clamp_min(0) / 0.1).square()
        inverse = 1 / self.gains
        raw = colours * torch.maximum(white + (1 - white) * inverse, inverse)
        return (raw * self.mask).sum(1, keepdim=True)

    def develop(self, raw: Tensor) -> Tensor:
        """Make the picture of a mosaic.

        raw: (B, 1, H, W).
        Returns (B, 3, H, W), in [0, 1].
        """
        import torch

        colours = demosaic(raw, self.mask, self.directed) * self.gains
        # Not `inverse`, which waits for a GPU to say whether there is one.
        linear = torch.einsum("bij,bjhw->bihw", inverse_matrix(self.matrix), colours).clamp(0, 1)
        picture = self.tone(linear)
        weights = picture.new_tensor(LUMA).view(3, 1, 1)
        luma = (picture * weights).sum(1, keepdim=True)
        colour = picture - luma
        colour = colour + self.smooth_colour * (blurred(colour, 2) - colour)
        detail = luma - blurred(luma, 1)
        small = 1 / (1 + (detail / self.threshold).square())  # near 1 where it may well be noise
        luma = luma + (self.sharpen * (1 - small) - self.smooth_luma * small) * detail
        return (luma + colour).clamp(0, 1)

    def expose(self, raw: Tensor, level: Tensor, field: Tensor) -> Tensor:
        """Add the noise to a mosaic and cut it where the sensor saturates.

        raw: (B, 1, H, W).
        level: of the noise, (B, 1, 1, 1).
        field: unit noise, (B, 1, H, W).
        """
        return (raw + level * (raw + self.floor).sqrt() * field).clamp_max(1)


def camera_noise(image: Tensor, sigma: Tensor, field: Tensor, settings: Tensor) -> Tensor:
    """Photograph again, with noise of root mean square `sigma` in the picture.

    The level of the raw noise that gives it depends on the picture and is found in two exposures. A picture
    that is all white may get less.
    image: (B, 3, H, W), in [0, 1]; same out. sigma: 0 to 1, (B, 1, 1, 1). field: unit noise, (B, 3, H, W),
        of which the first is used.
    settings: uniform numbers, (B, SETTINGS).
    """
    camera = Camera.make(settings, sigma, *image.shape[-2:])
    raw = camera.undevelop(image.clamp(0, 1))
    plain = camera.develop(raw)
    level = (2 * sigma).clamp_max(LARGEST_LEVEL)

    def deviation(level: Tensor) -> Tensor:
        return softened(camera.develop(camera.expose(raw, level, field[:, :1])) - plain, camera.soft)

    level = (level * (sigma / spread(deviation(level))).clamp(1 / 8, 8)).clamp_max(LARGEST_LEVEL)
    found = deviation(level)
    return within_range(image, found * (sigma / spread(found)).clamp(0.5, 2), sigma)


def inverse_matrix(matrix: Tensor) -> Tensor:
    """Inverses of 3x3 matrices by cross products, (B, 3, 3)."""
    import torch

    a, b, c = matrix.unbind(1)
    columns = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    return torch.stack(columns, 2) / (a * columns[0]).sum(1).view(-1, 1, 1)


def demosaic(raw: Tensor, mask: Tensor, directed: Tensor) -> Tensor:
    """Interpolate three colours per pixel.

    raw: (B, 1, H, W).
    mask: which colour each pixel sees, (B, 3, H, W).
    directed: along edges, not bilinear.
    Along edges: green from the two neighbours of the smoother direction, corrected by the curvature of the colour
    that is there; red and blue from their differences to green.
    """
    import torch

    greens, means, roughness = [], [], []
    for axis in (3, 2):
        far, near, here, ahead, beyond = neighbours(raw, axis, 2)
        curvature = 2 * here - far - beyond
        means.append((near + ahead) / 2)
        greens.append(means[-1] + curvature / 4)
        roughness.append((near - ahead).abs() + curvature.abs())
    along = torch.where(roughness[0] < roughness[1], greens[0], greens[1])
    green = torch.where(directed, along, (means[0] + means[1]) / 2)
    green = torch.where(mask[:, 1:2] > 0, raw, green)
    base = torch.where(directed, green, 0.0)
    others = (raw - base) * mask[:, ::2]  # (B, 2, H, W), known at every other place of every other row
    for axis in (3, 2):
        near, here, ahead = neighbours(others, axis, 1)
        others = here + (near + ahead) / 2
    others = others + base
    return torch.cat([others[:, :1], green, others[:, 1:]], 1)


def neighbours(planes: Tensor, axis: int, reach: int, step: int = 1) -> list[Tensor]:
    """Move planes by -reach to reach steps along an axis, mirrored at the border without repeating it: a mosaic
    stays one."""
    import torch.nn.functional as F

    size, pad = planes.shape[axis], reach * step
    sides = (pad, pad, 0, 0) if axis == 3 else (0, 0, pad, pad)
    padded = F.pad(planes, sides, mode="reflect" if size > pad else "replicate")
    return [padded.narrow(axis, i * step, size) for i in range(2 * reach + 1)]


def blurred(planes: Tensor, step: int) -> Tensor:
    """Binomial means of 5x5, whose places are `step` px apart; (B, C, H, W)."""
    return filtered(planes, (0.375, 0.25, 0.0625), step)


def softened(planes: Tensor, width: Tensor) -> Tensor:
    """Gaussian means of 5x5 of `width` px, (B, 1, 1, 1), 0 for none; (B, C, H, W)."""
    near, far = ((-0.5 * (place / width.clamp_min(0.05)).square()).exp() for place in (1, 2))
    whole = 1 + 2 * near + 2 * far
    return filtered(planes, (1 / whole, near / whole, far / whole), 1)


def filtered(planes: Tensor, weights: tuple[Tensor | float, ...], step: int) -> Tensor:
    """Rows and columns under a symmetric filter of 5: the weights of its middle, of one step and of two."""
    for axis in (3, 2):
        before, near, here, ahead, beyond = neighbours(planes, axis, 2, step)
        planes = here * weights[0] + (near + ahead) * weights[1] + (before + beyond) * weights[2]
    return planes
