"""Ratios of percentiles of two runs in logarithms: their intervals, their chances, and many of them at once.

Every round is one draw, as in `intervals.py`; two runs of different times are drawn independently, and Welch's t tells
them apart. Left out: what is compared with what (`compare_latency.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import Blocks, block_length, draw_rounds, drawn_percentiles
from .student import student_point, student_tail

RESAMPLES = 1000
FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class LogFigure:
    """A logarithm of percentiles, its standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float


def log_percentile(above: Sequence[Blocks], below: Sequence[Blocks], share: float) -> LogFigure:
    """Logarithms of the percentile of each of `above` less those of each of `below`, all [rounds, calls].

    The standard error is by the circular block bootstrap over rounds (`intervals.py`), all of them drawn together. With
    fewer than FEWEST_ROUNDS it is infinite.
    """
    signed = [*((1, side) for side in above), *((-1, side) for side in below)]
    value = sum(sign * math.log(np.percentile(side, share)) for sign, side in signed)
    n = len(above[0])
    if n < FEWEST_ROUNDS:
        return LogFigure(value, math.inf, 1.0)
    length = block_length(
        sum((sign * np.log(np.percentile(side, share, axis=1)) for sign, side in signed), np.zeros(n))
    )
    draws = draw_rounds(n, length, RESAMPLES)
    drawn = np.zeros(RESAMPLES)
    for sign, side in signed:
        drawn += sign * np.log(drawn_percentiles(side, draws, share))
    independent = max(n / length, 2.0)
    error = float(np.std(drawn, ddof=1)) * math.sqrt(independent / (independent - 1))
    return LogFigure(value, error, independent - 1)


def compare_logs(before: LogFigure, after: LogFigure) -> tuple[float | None, float | None, float]:
    """95% interval of after / before, and the chance p of so large a ratio without a change (Welch's t)."""
    error, change = math.hypot(before.error, after.error), after.value - before.value
    if math.isinf(error):
        return None, None, 1.0
    if error == 0:
        return math.exp(change), math.exp(change), float(change == 0)
    freedom = error**4 / (before.error**4 / before.freedom + after.error**4 / after.freedom)
    half = error * student_point(freedom)
    return math.exp(change - half), math.exp(change + half), student_tail(change / error, freedom)


def holm(chances: Sequence[float]) -> list[float]:
    """Each p adjusted so that calling all below 5% a finding makes any false one with a chance of 5% (Holm 1979)."""
    adjusted, largest = [0.0] * len(chances), 0.0
    for rank, i in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[i]))
        adjusted[i] = largest
    return adjusted
