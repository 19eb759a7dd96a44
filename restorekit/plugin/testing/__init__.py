"""The laws that every package from outside keeps, to be asked of yours.

    from restorekit.plugin.testing import check_degradation

    def test_fog_keeps_the_laws():
        check_degradation(Fog()).require()

A law by itself is a test by itself: `@pytest.mark.parametrize("law", check_degradation(Fog()).laws, ids=str)`, and
in it `law.require()`. `restorekit plugins --check NAME` asks them all of an installed plugin.
Importing this module loads no torch; a check does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

from restorekit.plugin.testing.report import Law, Progress, Report, judged

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.degradation import Degradation
    from restorekit.model.backbone import Backbone
    from restorekit.model.basis import Basis
    from restorekit.plugin.catalog import Plugins
    from restorekit.plugin.hookspecs import BackboneCard

__all__ = ["Law", "Report", "check_backbone", "check_basis", "check_degradation", "check_plugin"]


def check_degradation(degradation: Degradation, *, size: int = 64, progress: Progress | None = None) -> Report:
    """Ask a degradation for its laws.

    degradation: an instance.
    size: height of the test pictures, px; their width is 8 more.
    progress: told what is checked now.
    """
    from restorekit.plugin.testing.degradations import DEGRADATION_RULES, Degrading

    of = f"degradation {getattr(degradation, 'name', type(degradation).__name__)}"
    # Nobody can make one that is known from pairs: only its card has laws.
    rules = DEGRADATION_RULES[: 1 if getattr(degradation, "paired", False) else None]
    return Report(of, tuple(judged(of, rules, Degrading(degradation, size), progress)))


def check_basis(
    basis: Basis,
    *,
    model: str = "",
    photographs: Sequence[Tensor] = (),
    degradation: Degradation | None = None,
    device: str = "cpu",
    plugins: Plugins | None = None,
    progress: Progress | None = None,
) -> Report:
    """Ask a basis or a look for its laws, in use with a model and beside everything that is installed.

    basis: its card; the package that brings it need not be installed.
    model: name of the model; empty for the one that ships.
    photographs: clean pictures, (1, 3, H, W) each, in [0, 1]; empty for three that are drawn.
    degradation: the one that it removes, where no installed plugin brings it.
    device: for restoring: auto, cpu, cuda, cuda:N or mps.
    plugins: those that are installed beside it; None for all.
    progress: told what is checked now.
    """
    from restorekit.plugin.bundles import is_look
    from restorekit.plugin.catalog import load_plugins
    from restorekit.plugin.testing.bases import BASIS_RULES, Using
    from restorekit.plugin.testing.looks import LOOK_RULES

    its = Using.beside(plugins or load_plugins(), basis, model, degradation, photographs, device)
    of, rules = (f"look {basis.name}", LOOK_RULES) if is_look(basis) else (f"basis {basis.name}", BASIS_RULES)
    return Report(of, tuple(judged(of, rules, its, progress)))


def check_backbone(
    backbone: BackboneCard | Backbone, *, device: str = "cpu", progress: Progress | None = None
) -> Report:
    """Ask a backbone for its laws.

    backbone: its card, or the network itself.
    device: for predicting: auto, cpu, cuda, cuda:N or mps.
    progress: told what is checked now.
    """
    from restorekit.plugin.testing.backbones import BACKBONE_RULES, Predicting

    of = f"backbone {getattr(backbone, 'name', type(backbone).__name__)}"
    return Report(of, tuple(judged(of, BACKBONE_RULES, Predicting(backbone, device), progress)))


def check_plugin(
    name: str,
    *,
    photographs: Sequence[Tensor] = (),
    device: str = "cpu",
    found: Iterable[EntryPoint] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Ask an installed plugin for its laws, and then everything that it brings.

    name: of its entry point; PluginError for one that is not installed.
    photographs: for its bases, as in `check_basis`.
    device: for its bases and backbones.
    found: entry points to use in place of the installed ones.
    progress: told what is checked now.
    """
    from restorekit.plugin.testing.plugins import PLUGIN_RULES, Bringing

    its = Bringing.installed(name, found)
    of = f"plugin {name}"
    laws = [*judged(of, PLUGIN_RULES, its, progress)]
    if laws[0].ok:
        for degradation in its.degradations():
            laws += check_degradation(degradation, progress=progress).laws
        for card in its.models():
            laws += check_backbone(card.backbone, device=device, progress=progress).laws
        for model, basis in its.bases():
            laws += check_basis(
                basis,
                model=model,
                photographs=photographs,
                device=device,
                plugins=its.plugins,
                progress=progress,
            ).laws
    return Report(of, tuple(laws))
