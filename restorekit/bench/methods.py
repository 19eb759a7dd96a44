"""Contract of a method that the benchmark runs, and the way from its card to it."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from restorekit.bench.errors import BenchError
from restorekit.plugin import Method

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.bench.items import Item
    from restorekit.bench.protocol import Protocol
    from restorekit.plugin.catalog import Catalog


__all__ = ["BenchMethod", "Identifying", "Traceable", "find_card", "make", "missing", "unsuited", "versions"]


@typing.runtime_checkable
class BenchMethod(typing.Protocol):
    """One method that restores pictures. `prepare` loads what it needs, once; the call is what is timed.

    item.degraded: shape (1, 3, H, W); the result has the same shape, range [0, 1]. Raise
    `restorekit.bench.errors.Unsuited` for what it cannot do.
    """

    def prepare(self) -> None: ...

    def __call__(self, item: Item) -> Tensor: ...


@typing.runtime_checkable
class Identifying(typing.Protocol):
    """A method that also says what is wrong with a picture: a weight in [0, 1] per basis."""

    def identify(self, item: Item) -> Mapping[str, float]: ...

    def truth(self, item: Item) -> tuple[str, ...]: ...


@typing.runtime_checkable
class Traceable(typing.Protocol):
    """A method that knows the sha256 of the weights it runs, by file, and the number format that it computes in,
    as `--precision` has it."""

    def provenance(self) -> Mapping[str, str]: ...

    @property
    def precision(self) -> str: ...


class OfModel(typing.Protocol):
    """A method that runs a model of restorekit's. model: its name; empty for the default."""

    model: str


def split_name(spec: str) -> tuple[str, str]:
    """ "spandrel:model.pth" to ("spandrel", "model.pth")."""
    name, _, argument = spec.partition(":")
    return name, argument


def model_in(spec: str) -> str:
    """Model in "NAME@MODEL:ARGUMENT"; empty for the default."""
    return split_name(spec)[0].partition("@")[2]


def with_model(spec: str, model: str, catalog: Catalog) -> str:
    """Name a model in a method's name, if it is of one and names none yet."""
    catalog.of_model(model)
    name, colon, argument = spec.partition(":")
    if not model or "@" in name or not find_card(spec, catalog).of_model:
        return spec
    return f"{name}@{model}{colon}{argument}"


def find_card(spec: str, catalog: Catalog) -> Method:
    """The card of a method that was named on the command line."""
    name, argument = split_name(spec)
    name, _, model = name.partition("@")
    card = catalog.method(name)
    if model and not card.of_model:
        raise BenchError(f"method {name} runs no model of restorekit's; leave out @{model}")
    catalog.of_model(model)
    if bool(card.takes) != bool(argument):
        raise BenchError(f"write it as {name}{':' + card.takes if card.takes else ''}, not {spec}")
    return card


def missing(card: Method) -> str:
    """Reason that a method cannot run here, or an empty string."""
    absent = [name for name in card.needs if find_spec(name) is None]
    return f"needs {', '.join(absent)}: {card.install}" if absent else ""


def make(spec: str, catalog: Catalog) -> BenchMethod:
    """Make the method, without preparing it."""
    card = find_card(spec, catalog)
    reason = missing(card)
    if reason:
        raise BenchError(f"method {spec} {reason}")
    try:
        factory = resolve_name(card.factory)
    except (ImportError, AttributeError) as error:
        raise BenchError(f"method {spec} cannot be loaded from {card.factory}: {error}") from None
    method = factory(split_name(spec)[1]) if card.takes else factory()
    if not isinstance(method, BenchMethod):
        raise BenchError(f"method {spec}: {card.factory} makes no method; write prepare() and __call__(item)")
    if card.of_model:
        typing.cast(OfModel, method).model = model_in(spec)
    return method


def unsuited(card: Method, protocol: Protocol) -> str:
    """Reason that a method is not for a protocol, by its card; or an empty string."""
    if protocol.identify:
        return ""
    if card.degradations:
        strange = [d for d in protocol.present if d not in card.degradations]
        if strange or not protocol.present:
            return f"it removes {', '.join(card.degradations)} only"
        if protocol.keep:
            return "it cannot leave a degradation in"
    if card.scales and protocol.scale not in card.scales:
        return f"it does x{', x'.join(map(str, card.scales))} only"
    return ""


def versions(card: Method) -> dict[str, str]:
    """Versions of the packages behind a card."""
    packages = metadata.packages_distributions()
    names = {d for module in card.needs for d in packages.get(module, ())}
    return {name: metadata.version(name) for name in sorted(names)}
