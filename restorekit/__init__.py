"""restorekit: restores degraded photographs with a mixture of LoRAs, one per degradation.

    import restorekit

    restorer = restorekit.Restorer.from_pretrained()
    result = restorer.restore(image)             # tensor (B, 3, H, W) in [0, 1]
    picture = restorekit.restore_pil(picture)    # PIL image to PIL image

Importing the package loads no torch; the public names below load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from restorekit.errors import RestorekitError as RestorekitError
    from restorekit.model.mixing import MixingWeights as MixingWeights
    from restorekit.model.mixing import Mixture as Mixture
    from restorekit.pil import restore_pil as restore_pil
    from restorekit.running.restorer import RestorationResult as RestorationResult
    from restorekit.running.restorer import Restorer as Restorer
    from restorekit.weighing.control import Wish as Wish

_NAMES = {
    "MixingWeights": "restorekit.model.mixing",
    "Mixture": "restorekit.model.mixing",
    "RestorationResult": "restorekit.running.restorer",
    "RestorekitError": "restorekit.errors",
    "Restorer": "restorekit.running.restorer",
    "Wish": "restorekit.weighing.control",
    "restore_pil": "restorekit.pil",
}
__all__ = [
    "MixingWeights",
    "Mixture",
    "RestorationResult",
    "RestorekitError",
    "Restorer",
    "Wish",
    "__version__",
    "restore_pil",
]


def __getattr__(name: str) -> object:
    if name not in _NAMES:
        raise AttributeError(f"module 'restorekit' has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
