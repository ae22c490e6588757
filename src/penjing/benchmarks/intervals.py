"""95% intervals of percentiles and of ratios of medians, over the rounds of one run.

Calls that follow each other are alike, and so are rounds while something slows the machine. Drawn again are therefore
whole rounds, never calls, and where rounds depend on each other, blocks of them: the circular block bootstrap (Politis
and Romano 1992) with the block length of Politis and White 2004 (Automatic block-length selection for the dependent
bootstrap, sections 2 and 3, corrected by Patton, Politis and White 2009). An interval over single calls would be far
too narrow. Few rounds get the expanded percentile interval of Hesterberg 2015 (What teachers should know about the
bootstrap, section 5.3). Left out: p99, for which runs are too short.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .student import student_point

RESAMPLES = 2000
FEWEST_ROUNDS = 6
"""Below this a bootstrap promises too much, and the interval is the whole range of the rounds."""

MOST_VALUES = 4_000_000
"""Held at a time: minutes of a sustained run would fill a board's memory."""

QUIET_LAGS = 5
"""So many correlations within chance end the dependence; enough for up to 100,000 rounds."""

Blocks = NDArray[np.float64]


def median_interval(blocks: Blocks) -> tuple[float, float]:
    """Interval of the median of `blocks` [rounds, calls]."""
    return percentile_interval(blocks, 50)


def percentile_interval(blocks: Blocks, share: float) -> tuple[float, float]:
    """Interval of the value below which `share` percent of all `blocks` [rounds, calls] lie."""
    each = np.percentile(blocks, share, axis=1)
    if len(blocks) < FEWEST_ROUNDS:
        return float(each.min()), float(each.max())
    length = block_length(each)
    return _middle(drawn_percentiles(blocks, draw_rounds(len(each), length, RESAMPLES), share), len(each) / length)


def ratio_interval(above: Blocks, below: Blocks) -> tuple[float, float]:
    """Interval of median(above) / median(below). Round i of both, [rounds, calls], was measured at the same time,
    so both are drawn together: what slows a whole round slows both sides and cancels."""
    ratios = np.median(above, axis=1) / np.median(below, axis=1)
    if len(above) < FEWEST_ROUNDS:
        return float(ratios.min()), float(ratios.max())
    length = block_length(ratios)
    draws = draw_rounds(len(ratios), length, RESAMPLES)
    drawn = drawn_percentiles(above, draws, 50) / drawn_percentiles(below, draws, 50)
    return _middle(drawn, len(above) / length)


def block_length(series: NDArray[np.float64]) -> int:
    """How many neighbours of `series` [n] to draw together: 1 where they do not depend on each other."""
    n = len(series)
    away = series - series.mean()
    lags = min(n - 1, math.ceil(math.sqrt(n)) + QUIET_LAGS)
    covariances = np.array([away[: n - k] @ away[k:] / n for k in range(lags + 1)])
    if covariances[0] <= 0:
        return 1
    reach = min(lags, 2 * _first_quiet_lag(covariances / covariances[0], n))
    k = np.arange(1, reach + 1)
    weighted = np.clip(2 * (1 - k / reach), 0, 1) * covariances[k]  # a flat top, then down to zero
    spectrum = covariances[0] + 2 * weighted.sum()
    best = math.pow(2 * (2 * (k * weighted).sum()) ** 2 / (4 / 3 * spectrum**2) * n, 1 / 3)
    return max(1, round(min(best, 3 * math.sqrt(n), n / 3)))


def _first_quiet_lag(correlations: NDArray[np.float64], n: int) -> int:
    """The first lag from which on some correlations stay within chance; half of all lags when there is none."""
    counts = np.abs(correlations) >= 2 * math.sqrt(math.log10(n) / n)
    for lag in range(1, len(counts) - QUIET_LAGS + 1):
        if not counts[lag : lag + QUIET_LAGS].any():
            return lag
    return math.ceil((len(counts) - 1) / 2)


def draw_rounds(n: int, length: int, resamples: int) -> NDArray[np.int64]:
    """Rounds to draw of `n`, [resamples, n]: blocks of `length` from random starts, around the end."""
    starts = np.random.default_rng(0).integers(n, size=(resamples, -(-n // length)))
    drawn: NDArray[np.int64] = (starts[:, :, None] + np.arange(length)).reshape(resamples, -1)[:, :n] % n
    return drawn


def drawn_percentiles(blocks: Blocks, draws: NDArray[np.int64], share: float) -> Blocks:
    """The percentile of each drawing of rounds of `blocks` [rounds, calls], [resamples]."""
    parts = np.array_split(draws, 1 + draws.size * blocks.shape[1] // MOST_VALUES)
    return np.concatenate([_percentile_rows(blocks[part].reshape(len(part), -1), share) for part in parts])


def _percentile_rows(drawn: Blocks, share: float) -> Blocks:
    # np.median is several times as fast as np.percentile
    found: Blocks = np.median(drawn, axis=1) if share == 50 else np.percentile(drawn, share, axis=1)
    return found


def _middle(values: Blocks, independent: float) -> tuple[float, float]:
    """The expanded percentile interval for so many independent rounds: a plain one is too narrow when they are few."""
    m = max(independent, 3.0)
    share = 100 * NormalDist().cdf(-math.sqrt(m / (m - 1)) * student_point(m - 1))
    low, high = np.percentile(values, [share, 100 - share])
    return float(low), float(high)
