"""Reports: laws in plain words, each kept or broken, with the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from restorekit.errors import RestorekitError
from restorekit.plugin.failures import first_line, said

__all__ = ["Broken", "Law", "Progress", "Report", "Rule", "judged"]

S = TypeVar("S")
Progress = Callable[[str], None]  # told what is checked now


class Broken(Exception):
    """A law does not hold; the message says what was found."""


@dataclass(frozen=True)
class Law:
    """A law and whether it holds.

    name: in plain words.
    detail: the measured value, or what broke it.
    remedy: a sentence for the author; empty where it holds.
    of: the thing that it was asked of, such as "degradation fog".
    """

    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""
    of: str = ""

    def __str__(self) -> str:
        said = f": {self.detail}" if self.detail else ""
        return (
            f"{self.of}: {self.name}{said}" if self.ok else f"{self.of}: not so: {self.name}{said}. {self.remedy}"
        )

    def require(self) -> None:
        """Raise AssertionError unless the law holds."""
        if not self.ok:
            raise AssertionError(str(self))


@dataclass(frozen=True)
class Report:
    """The laws of one thing, or of all that a plugin brings.

    of: the thing.
    laws: in the order in which they were asked; where one is broken on which others rest, those are left out.
    """

    of: str
    laws: tuple[Law, ...]

    @property
    def broken(self) -> tuple[Law, ...]:
        """The laws that do not hold."""
        return tuple(law for law in self.laws if not law.ok)

    @property
    def ok(self) -> bool:
        """True where every law holds."""
        return not self.broken

    def require(self) -> None:
        """Raise AssertionError that lists every broken law with its remedy."""
        if not self.ok:
            raise AssertionError("\n".join(map(str, self.broken)))


@dataclass(frozen=True)
class Rule(Generic[S]):
    """A law before it is asked.

    check: gives the measured value; raises where the law is broken.
    remedy: a sentence for the author.
    gate: the laws behind it cannot be asked where it is broken.
    """

    name: str
    check: Callable[[S], str | None]
    remedy: str
    gate: bool = False


def judged(of: str, rules: Iterable[Rule[S]], subject: S, progress: Progress | None = None) -> Iterator[Law]:
    """Ask a thing for each of its laws, up to a broken one on which the others rest."""
    for rule in rules:
        if progress is not None:
            progress(f"{of}: {rule.name}")
        try:
            yield Law(rule.name, True, rule.check(subject) or "", of=of)
            continue
        except (Broken, RestorekitError) as error:
            detail = first_line(error)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # a stranger's code raises anything
            detail = said(error)
        yield Law(rule.name, False, detail.rstrip("."), rule.remedy, of)
        if rule.gate:
            return
