"""Names for plugin authors to import: all that a plugin needs, without loading torch.

from restorekit.plugin import Basis, Degradation, Realisation, Severity, hookimpl
"""

from restorekit.basis import Basis
from restorekit.degradation import Degradation, Draw, Realisation, Severity
from restorekit.plugin.hookspecs import BackboneCard, Method, ModelCard, hookimpl
from restorekit.weights import shipped_weights

__all__ = [
    "BackboneCard",
    "Basis",
    "Degradation",
    "Draw",
    "Method",
    "ModelCard",
    "Realisation",
    "Severity",
    "hookimpl",
    "shipped_weights",
]
