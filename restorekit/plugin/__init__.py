"""Names for plugin authors to import: all that a plugin needs, without loading torch.

from restorekit.plugin import Basis, Degradation, Realisation, Severity, hookimpl
"""

from restorekit.degradation import Degradation, Draw, Paired, Realisation, Severity
from restorekit.model.basis import Basis
from restorekit.model.weights import shipped_weights
from restorekit.plugin.hookspecs import BackboneCard, Method, ModelCard, hookimpl
from restorekit.remote import Remote

__all__ = [
    "BackboneCard",
    "Basis",
    "Degradation",
    "Draw",
    "Method",
    "ModelCard",
    "Paired",
    "Realisation",
    "Remote",
    "Severity",
    "hookimpl",
    "shipped_weights",
]
