"""Show how a run of the benchmark goes on: a bar, and a line for each pair of method and protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.cli.terminal import put, tell

if TYPE_CHECKING:
    from restorekit.bench.records import Result, Score
    from restorekit.bench.scoring import Pair

__all__ = ["Progress"]


class Progress:
    """A bar with the time left on stderr, a line per finished pair on stdout."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.any_failed = False
        self.said: set[tuple[str, str]] = set()
        self.bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.task = self.bar.add_task("loading", total=None)

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def total(self, pictures: int) -> None:
        self.bar.update(self.task, total=pictures)

    def scored(self, pair: Pair, score: Score | None) -> None:
        self.bar.update(self.task, advance=1, description=f"{pair.method} {pair.protocol.name}")

    def skipped(self, protocol: str, method: str, reason: str, pictures: int) -> None:
        self.bar.update(self.task, advance=pictures)
        if (method, reason) not in self.said:  # once, however many protocols it is true of
            tell(f"skipped: {protocol} with {method}: {reason}")
        self.said.add((method, reason))

    def failed(self, protocol: str, method: str, reason: str, pictures: int) -> None:
        self.any_failed = True
        self.bar.update(self.task, advance=pictures)
        if reason:
            tell(f"error: {protocol} with {method}: {reason}")

    def finished(self, pair: Pair, result: Result) -> None:
        means = ", ".join(f"{key} {result.mean(key):.3f}" for key in result.keys)
        count = f"{len(result.scores)} of {pair.located.dataset.count}"
        put(f"{pair.protocol.name}  {pair.method}  {means}  ({count}, {result.seconds_per_megapixel:.2f} s/MP)")
