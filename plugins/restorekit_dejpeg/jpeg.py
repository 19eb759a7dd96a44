"""JPEG. The picture is coded in 8x8 blocks whose cosine coefficients are rounded, more coarsely at low quality.

kinds: `4:2:0` (colour at half resolution, what cameras and libraries write), `4:4:4`, `twice` (compressed,
cropped off the block grid, compressed again). Coded by libjpeg itself, through Pillow, on a CPU; elsewhere by
`batch`, which gives the same values.
Wallace, "The JPEG still picture compression standard", 1992, https://doi.org/10.1109/30.125072
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity

if TYPE_CHECKING:
    from torch import Generator, Tensor

SHARES = (0.55, 0.3, 0.15)
FIRST_SHIFT = (3, 5)  # px down and right: the first grid of what is compressed twice


class Jpeg(Degradation):
    """JPEG compression; the severity is libjpeg's quality, 100 (none to speak of) down to 5."""

    name = "jpeg"
    severity = Severity(symbol="quality", unit="", off=100, mild=95, strong=5, typical=30)
    kinds = ("4:2:0", "4:4:4", "twice")
    order = 50
    summary = "JPEG compression, quality 5 to 95: 4:2:0, 4:4:4, compressed twice"

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        import torch

        batch, device = shape[0], generator.device
        kind = self.check_kind(kind, severity)
        if severity is None:
            low, high = self.severity.strong, self.severity.mild
            quality = low + (high - low) * torch.rand(batch, generator=generator, device=device) ** 1.5
            quality = quality.round()
            shift = torch.randint(0, 8, (batch, 2), generator=generator, device=device)
            # A JPEG has its block grid at the corner of the picture; what was cut out of one has not.
            shift = shift * (torch.rand(batch, 1, generator=generator, device=device) < 0.25)
        else:
            quality = torch.full((batch,), float(severity), device=device).round()
            shift = torch.zeros(batch, 2, dtype=torch.long, device=device)
        if kind is None:
            shares = torch.tensor(SHARES, device=device)
            kinds = torch.multinomial(shares, batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind), device=device)
        other = torch.randint(-10, 30, (batch,), generator=generator, device=device)
        first = (quality + other).clamp(5, 95)
        return Realisation(quality, {"kind": kinds, "shift": shift, "first": first})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        pixels = (image.clamp(0, 1) * 255).round()
        # "mps" has no numbers that hold the sums exactly.
        coded = self.code if image.device.type in ("cpu", "mps") else self.code_batch
        restored = coded(pixels, realisation).to(image) / 255
        off = (realisation.severity.to(image.device) >= self.severity.off).view(-1, 1, 1, 1)
        return torch.where(off, image, restored)

    def code_batch(self, pixels: Tensor, realisation: Realisation) -> Tensor:
        """Recode all pictures at once, on their device. pixels: (B, 3, H, W), whole numbers 0 to 255."""
        import torch

        from restorekit_dejpeg.batch import recode_batch

        kind, shift, first = (realisation[name].to(pixels.device) for name in ("kind", "shift", "first"))
        quality = realisation.severity.to(pixels.device)
        pixels = pixels.double()
        twice = (kind == self.kinds.index("twice")).view(-1, 1, 1, 1)
        before = torch.tensor(FIRST_SHIFT, device=pixels.device).expand_as(shift)
        once = recode_batch(pixels, first, torch.ones_like(kind, dtype=torch.bool), before)
        return recode_batch(torch.where(twice, once, pixels), quality, kind != self.kinds.index("4:4:4"), shift)

    def code(self, pixels: Tensor, realisation: Realisation) -> Tensor:
        """Recode one picture after another, by libjpeg. pixels: (B, 3, H, W), whole numbers 0 to 255."""
        import numpy as np
        import torch

        pictures = pixels.cpu().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        coded = np.empty_like(pictures)
        rows = zip(
            realisation.severity.tolist(),
            realisation["kind"].tolist(),
            realisation["shift"].tolist(),
            realisation["first"].tolist(),
            strict=True,
        )
        for i, (quality, kind, (down, right), first) in enumerate(rows):
            if quality >= self.severity.off:
                coded[i] = pictures[i]
                continue
            picture = pictures[i]
            if self.kinds[kind] == "twice":
                picture = recode(picture, round(first), 2, FIRST_SHIFT)
            coded[i] = recode(picture, round(quality), 0 if self.kinds[kind] == "4:4:4" else 2, (down, right))
        return torch.from_numpy(coded).permute(0, 3, 1, 2)


def recode(pixels, quality: int, subsampling: int, shift: tuple[int, int]):  # type: ignore[no-untyped-def]
    """Through libjpeg and back, with the block grid moved by `shift` px. pixels: uint8 array (H, W, 3)."""
    import numpy as np
    from PIL import Image

    down, right = shift
    if down or right:
        pixels = np.pad(pixels, ((down, 0), (right, 0), (0, 0)), mode="edge")
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(buffer))[down:, right:]
