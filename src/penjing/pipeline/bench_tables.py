"""What `penjing bench` prints: one row a measurement, and how the files compare."""

from __future__ import annotations

from ..benchmarks.measurement import Measurement
from ..benchmarks.results import Run

COLUMNS = ("subject", "kind", "tokens", "threads", "p50 ms", "p90 ms", "p99 ms", "samples", "peak RSS MB")


def measurement_rows(run: Run) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows, in the order of measuring."""
    return COLUMNS, [_row(measurement) for measurement in run.measurements]


def comparison_lines(run: Run) -> list[str]:
    """The machine, and how each file compares with the first one, a sentence each."""
    machine, first = run.machine, run.subjects[0].label
    lines = [f"{machine.cpu}, {machine.cores} cores, {round(100 * machine.busy_share)}% busy before the run"]
    for c in run.comparisons:
        if first in (c.subject, c.baseline):
            place = f"{c.condition.kind}, {c.condition.sequence_length or 'all'} tokens, {c.condition.threads} threads"
            lines.append(f"{place}: {c.sentence()}")
    return lines


def _row(m: Measurement) -> tuple[str, ...]:
    condition = m.condition
    p99 = "" if m.p99 is None else f"{m.p99:.3f}"
    rss = "" if m.peak_rss_mb is None else f"{m.peak_rss_mb:.0f}"
    tokens = "" if condition.sequence_length is None else str(condition.sequence_length)
    times = (f"{m.p50:.3f}", f"{m.p90:.3f}", p99)
    return m.subject, condition.kind, tokens, str(condition.threads), *times, str(len(m.samples_ms)), rss
