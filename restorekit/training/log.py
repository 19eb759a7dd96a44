"""The log of a training: one row for each number that it reports."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restorekit.training.counters import Counters

__all__ = ["Log"]


class Log:
    """Scalars to `log.csv` (columns: iteration, seconds, stage, name, value) and, if installed, tensorboard."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.csv"
        fresh = not self.path.exists()
        self.file = self.path.open("a", newline="")
        self.rows = csv.writer(self.file)
        if fresh:
            self.rows.writerow(["iteration", "seconds", "stage", "name", "value"])
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(folder / "tensorboard"))
        except ImportError:
            self.board = None

    def write(self, counters: Counters, values: Mapping[str, float]) -> None:
        """Write a row for each value, by name."""
        for name, value in values.items():
            self.rows.writerow(
                [counters.iteration, round(counters.seconds, 1), counters.stage, name, f"{value:.5g}"]
            )
            if self.board is not None:
                self.board.add_scalar(f"{counters.stage}/{name}", value, counters.iteration)
        self.file.flush()

    def note(self, counters: Counters, name: str, text: str) -> None:
        """Write words in a number's place.

        counters: the point at which they are said.
        name: of the row.
        text: the words.
        """
        self.rows.writerow([counters.iteration, round(counters.seconds, 1), counters.stage, name, text])
        self.file.flush()

    def close(self) -> None:
        self.file.close()
        if self.board is not None:
            self.board.close()
