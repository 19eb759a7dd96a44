"""Every error that restorekit raises on purpose.

RestorekitError
├── ImageError         a picture cannot be read, written, or has the wrong shape
├── WeightsError       weights are missing, damaged, or made for another backbone
├── PluginError        a plugin, basis, degradation or backbone is unknown, doubled or broken
├── MixingError        mixing weights that make no sense
├── DeviceError        a device or precision that this machine does not have
└── TrainingError      training cannot start or go on

A message says what came, and names the remedy.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "DeviceError",
    "ImageError",
    "MixingError",
    "PluginError",
    "RestorekitError",
    "TrainingError",
    "WeightsError",
    "not_mixed",
    "unknown_name",
]


class RestorekitError(Exception):
    """Base of all errors of this package; the command line catches it once and prints one line."""


class ImageError(RestorekitError):
    """A picture cannot be read or written, or a tensor is not an image batch."""


class WeightsError(RestorekitError):
    """Weights are missing, fail their sha256, or belong to another backbone."""


class PluginError(RestorekitError):
    """A plugin, basis, degradation or backbone is unknown, registered twice, or broken."""


class MixingError(RestorekitError):
    """Mixing weights name an unknown basis or leave their range."""


class DeviceError(RestorekitError):
    """The requested device or precision is not available here."""


class TrainingError(RestorekitError):
    """Training cannot start or go on."""


def unknown_name(kind: str, name: str, names: Iterable[str]) -> str:
    """Say in a line that a name is unknown: the nearest one, where one is near, and those there are.

    kind: of thing, such as "basis".
    names: those that are known.
    """
    known = sorted(names)
    near = get_close_matches(name.strip("'\""), known, 1)
    meant = f"did you mean {near[0]}? There" if near else "there"
    return f"no {kind} {name}; {meant} are {', '.join(known) or 'none'}"


def not_mixed(name: str) -> str:
    """Say in a line that a name is that of a look, which is no part of a mixture."""
    return f"{name} is a look, which is no part of the mixture; give it apart, as --look 0.5 or look=0.5"
