"""Entry points, plugins and a basis of strangers, for the laws of the plugin seam."""

from __future__ import annotations

import shutil
import types
from pathlib import Path

from restorekit.model.basis import Basis
from restorekit.plugin import Degradation, Realisation, Severity, hookimpl


class Package:
    """An installed distribution."""

    version = "1.0"

    def __init__(self, name):
        self.name = name


class Entry:
    """An entry point whose target is at hand."""

    def __init__(self, name, target, package=""):
        self.name, self.target = name, target
        self.dist = Package(package) if package else None

    def load(self):
        if isinstance(self.target, BaseException):
            raise self.target
        return self.target


class Fog(Degradation):
    name = "fog"
    severity = Severity("opacity", "%", 0, 10, 70, 35)
    kinds = ("even",)
    order = 5

    def draw(self, shape, generator, *, severity=None, kind=None):
        import torch

        return Realisation(torch.full((shape[0],), 35.0 if severity is None else float(severity)))

    def apply(self, image, realisation):
        veil = (realisation.severity.to(image) / 100).view(-1, 1, 1, 1)
        return image + veil * (0.9 - image)


def fog(**fields) -> Degradation:
    """A degradation, with other class attributes than it should have; None takes one away."""
    made = type("Fog", (Fog,), {k: v for k, v in fields.items() if v is not None})
    for field in (k for k, v in fields.items() if v is None):
        made = type("Fog", (Degradation,), {k: v for k, v in vars(Fog).items() if k not in (field, "__dict__")})
    return made()


def plugin(**hooks):
    """A module with these hooks."""
    module = types.ModuleType("stranger")
    for name, function in hooks.items():
        function.__name__ = name
        setattr(module, name, hookimpl(function))
    return module


def fog_plugin(folder: Path):
    """A plugin with a degradation and a basis in a folder."""
    return plugin(register_degradations=lambda: [fog()], register_bases=lambda: [Basis("fog", "fog", folder)])


def fog_basis(weights: Path, folder: Path) -> Path:
    """A good basis for fog, in `folder`, made of the one for noise."""
    import json

    from restorekit.model.weights import write_sums

    shutil.copytree(weights / "noise", folder)
    record = folder / "basis.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"degradation": "fog"}))
    write_sums(folder)
    return folder
