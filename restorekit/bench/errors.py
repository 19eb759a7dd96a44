"""Errors of the benchmark."""

from restorekit.errors import RestorekitError

__all__ = ["BenchError", "Unsuited"]


class BenchError(RestorekitError):
    """A protocol, dataset, metric or method is unknown, wrong, or not at hand."""


class Unsuited(BenchError):
    """Raised by a method that cannot do what a protocol asks; the run passes the pair over and says so."""
