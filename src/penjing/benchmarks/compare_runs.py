"""Two runs of different times: what became better, worse, or is not different, figure by figure.

Latency has statistics of its own (`compare_latency.py`). Memory is compared by the range over fresh processes, sizes
and instruction counts by themselves. Qualities are subtracted, with the interval of Zou and Donner 2008 (Construction
of confidence limits about effect measures). Left out: whether the two may be compared at all, more than two runs, and
decisions compared one by one, which a run does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .compare_latency import latency_rows, timed_in_both
from .memory_use import STAGES
from .paired_runs import ALLOWED, Pair, Quantity, Row, judge_row, pair_subjects
from .results import Run

UNSEEN = 1.05
"""The least ratio of memory that counts where a run holds only the medians of its processes."""


def compare_runs(before: Run, after: Run, allowed: Mapping[Quantity, float] = ALLOWED) -> tuple[Row, ...]:
    """Every figure that both runs hold: latency, memory, instructions, size, quality. `allowed` as ALLOWED.

    Raises nothing: runs that share no subject share no row.
    """
    pairs = pair_subjects(before, after)
    rows = latency_rows(before, after, pairs, 1 + allowed["latency"])
    rows += _memory_rows(before, after, pairs, 1 + allowed["memory"])
    rows += [row for pair in pairs for row in _count_rows(before, after, pair, 1 + allowed["instructions"])]
    rows += [_size_row(pair, 1 + allowed["size"]) for pair in pairs if pair.before.bytes and pair.after.bytes]
    return tuple(rows + [row for pair in pairs for row in _quality_rows(pair, allowed["quality"])])


def _memory_rows(before: Run, after: Run, pairs: Sequence[Pair], allowed: float) -> list[Row]:
    """What each stage of a start holds, and the peak; where a run has no stages, the peak of its cold starts."""
    rows = []
    for pair in pairs:
        a = next((use for use in before.memory if use.subject == pair.before.label), None)
        b = next((use for use in after.memory if use.subject == pair.after.label), None)
        if a is None or b is None or a.threads != b.threads:
            rows += _cold_peaks(before, after, pair, allowed)
            continue
        for name, field in [*((stage, "private_dirty_mb") for stage in STAGES[1:4]), ("peak", "peak_mb")]:
            figure = "peak" if name == "peak" else f"private dirty, {name}"
            ends = (getattr(a.stage(name), field), getattr(b.stage(name), field))
            rows += _memory_row(pair, figure, *ends, allowed, (a.spread(name, field), b.spread(name, field)))
    return rows


def _cold_peaks(before: Run, after: Run, pair: Pair, allowed: float) -> list[Row]:
    colds = (t for t in timed_in_both(before, after, [pair]) if t.pair is pair and t.before.condition.kind == "cold")
    peaks = [(t.before.peak_rss_mb, t.after.peak_rss_mb) for t in colds]
    return [row for peak in peaks for row in _memory_row(pair, "peak", *peak, max(allowed, UNSEEN))]


def _memory_row(
    pair: Pair, figure: str, before: float | None, after: float | None, allowed: float,
    spreads: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
) -> list[Row]:  # fmt: skip
    """The range over fresh processes is the interval: three are too few for any other. As a model's allocations come in
    steps that differ from process to process, the whole range must be beyond the allowed."""
    if not before or not after:
        return []
    a, b = spreads
    low, high = (None, None) if a is None or b is None else (b[0] / a[1], b[1] / a[0])
    row = Row(
        "memory", pair.before.label, figure, None, before, after, "MB", after / before, low, high, allowed, "worse", ""
    )
    apart = low is None or high is None or low > allowed or high < 1 / allowed
    return [judge_row(row, None if apart else "not so of every process: measure again")]


def _count_rows(before: Run, after: Run, pair: Pair, allowed: float) -> list[Row]:
    """Instructions of an inference; the range over processes, which is nearly nothing, is the interval."""
    rows = []
    for a in (count for count in before.counts if count.subject == pair.before.label):
        after_counts = [c for c in after.counts if c.subject == pair.after.label]
        for b in (count for count in after_counts if count.sequence_length == a.sequence_length):
            low, high = min(b.instructions) / max(a.instructions), max(b.instructions) / min(a.instructions)
            rows.append(
                judge_row(
                    Row(
                        "instructions", pair.before.label, f"instructions at {a.sequence_length}", None,
                        a.median, b.median, "", b.median / a.median, low, high, allowed, "worse", "",
                    )
                )
            )  # fmt: skip
    return rows


def _size_row(pair: Pair, allowed: float) -> Row:
    a, b = pair.before.bytes, pair.after.bytes
    return judge_row(
        Row("size", pair.before.label, "file", None, a, b, "bytes", b / a, None, None, allowed, "worse", "")
    )


def _quality_rows(pair: Pair, allowed: float) -> list[Row]:
    """More is better. The two are taken as independent; on the same rows the true interval is narrower."""
    a, b = pair.before.quality, pair.after.quality
    if a is None or b is None:
        return []
    change, down, up = b.value - a.value, (b.value - b.low, a.high - a.value), (b.high - b.value, a.value - a.low)
    low, high = change - math.hypot(*down), change + math.hypot(*up)
    row = Row(
        "quality", pair.before.label, a.metric, None, a.value, b.value, "", change, low, high, allowed, "worse", ""
    )
    asked = [f"{q.metric} on {q.n} of {q.split}" for q in (a, b)]
    if asked[0] != asked[1]:
        return [replace(row, verdict="cannot say", reason=f"{asked[0]} before, {asked[1]} after")]
    return [judge_row(row, f"the interval holds 0: more than {a.n} rows could tell" if low <= 0 <= high else None)]
