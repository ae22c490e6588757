"""What minutes of work do to each subject: its time and its rank in the first minute and in the last.

A device that grows hot slows down, and not all subjects alike: the fastest of the first minute need not be it at the
end. Left out: why it slowed (`verdict.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .measurement import Measurement
from .results import Run

MINUTE = 60.0
"""Seconds; a run of under two minutes is halved."""


@dataclass(frozen=True)
class Endurance:
    """Medians in ms, and ranks from 1, the fastest, among the subjects of one sustained run."""

    subject: str
    first_ms: float
    last_ms: float
    first_rank: int
    last_rank: int

    @property
    def slowdown(self) -> float:
        """The last minute's median over the first's."""
        return self.last_ms / self.first_ms


def endurance(run: Run) -> tuple[Endurance, ...]:
    """One entry a subject in the order of the first minute; none where nothing was measured for minutes."""
    lasting = [m for m in run.measurements if m.condition.mode == "sustained" and m.starts]
    if not lasting:
        return ()
    begin, end = min(m.starts[0] for m in lasting), max(m.starts[-1] for m in lasting)
    span = min(MINUTE, (end - begin) / 2)
    first = [_median(m, begin, begin + span) for m in lasting]
    last = [_median(m, end - span, end) for m in lasting]
    columns = zip(lasting, first, last, _ranks(first), _ranks(last), strict=True)
    entries = (Endurance(m.subject, a, b, rank_a, rank_b) for m, a, b, rank_a, rank_b in columns)
    return tuple(sorted(entries, key=lambda entry: entry.first_rank))


def _median(measured: Measurement, start: float, end: float) -> float:
    """Of the rounds that began in this time; of the nearest round where none did."""
    starts = np.array(measured.starts)
    inside = (starts >= start) & (starts <= end)
    if not inside.any():
        inside = np.arange(len(starts)) == np.abs(starts - (start + end) / 2).argmin()
    return float(np.median(measured.blocks[inside]))


def _ranks(times: Sequence[float]) -> list[int]:
    order = sorted(range(len(times)), key=lambda i: times[i])
    return [order.index(i) + 1 for i in range(len(times))]
