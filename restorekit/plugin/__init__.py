"""Names for plugin authors to import: all that a plugin needs, without loading torch.

from restorekit.plugin import Basis, Degradation, Realisation, Severity, hookimpl

INTERFACE is the version of all that plugins may rely on: these names, the hooks, the fields of cards. It goes up
when something is added; what is there goes on working. A plugin that needs what a version brought says so in its
module:

restorekit_interface = 1

One that wants a newer version than is installed, or imports a name that this one lacks, is left out with one line
that says "update restorekit". Without the line a plugin is content with any version.
"""

from restorekit.degradation import Degradation, Draw, Realisation, Severity
from restorekit.model.basis import Basis
from restorekit.model.weights import shipped_weights
from restorekit.paired import Paired
from restorekit.plugin.hookspecs import INTERFACE, BackboneCard, Method, ModelCard, hookimpl
from restorekit.remote import Remote
from restorekit.weighing.control import Preset

__all__ = [
    "INTERFACE",
    "BackboneCard",
    "Basis",
    "Degradation",
    "Draw",
    "Method",
    "ModelCard",
    "Paired",
    "Preset",
    "Realisation",
    "Remote",
    "Severity",
    "hookimpl",
    "shipped_weights",
]
