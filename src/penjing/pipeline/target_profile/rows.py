"""What was measured, a line each: appended as it comes, so that an interrupted profile goes on where it stopped.

Left out: measuring (`time_files.py`, `count_files.py`) and what the rows mean (`fit.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...benchmarks.plain import from_plain, to_plain
from ...runtime.errors import OutputError


@dataclass(frozen=True, order=True)
class Place:
    """Which model ran at which length."""

    student: str
    engine: str
    precision: str
    length: int


@dataclass(frozen=True)
class Row:
    """One measurement: milliseconds or instructions of an inference, in the round `round`."""

    place: Place
    round: int
    value: float


@dataclass(frozen=True)
class RowFile:
    """JSON lines at `path`."""

    path: Path

    def read(self) -> list[Row]:
        """What is there; a line that was cut off by a crash is left out."""
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else ():
            try:
                found.append(from_plain(Row, json.loads(line)))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def add(self, rows: Sequence[Row]) -> None:
        """Raises OutputError when the folder cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            cut = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.write("\n" * cut + "".join(f"{json.dumps(to_plain(row), allow_nan=False)}\n" for row in rows))
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written ({error.strerror}): free space or name another place, then run again"
            ) from None


def fastest(rows: Sequence[Row]) -> dict[Place, float]:
    """The least of the rounds of each place, in the order of the rows: what slows the machine for a while is not the
    device's, and on a shared one it may last for most of the rounds."""
    values: dict[Place, float] = {}
    for row in rows:
        values[row.place] = min(row.value, values.get(row.place, row.value))
    return values
