"""95% intervals of medians and of ratios of medians, over the rounds of one run.

Calls that follow each other are alike, so the unit that is drawn again is the round, never the call: a bootstrap over
single calls would give an interval far too narrow. Left out: intervals of p90 and p99; runs are too short for them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
FEWEST_ROUNDS = 6
"""Below this a bootstrap promises too much, and the interval is the whole range of the rounds."""

Blocks = NDArray[np.float64]


def median_interval(blocks: Blocks) -> tuple[float, float]:
    """Interval of the median of `blocks` [rounds, calls]."""
    if len(blocks) < FEWEST_ROUNDS:
        medians = np.median(blocks, axis=1)
        return float(medians.min()), float(medians.max())
    return _middle(_medians(blocks, _draws(len(blocks))))


def ratio_interval(above: Blocks, below: Blocks) -> tuple[float, float]:
    """Interval of median(above) / median(below). Round i of both, [rounds, calls], was measured at the same time,
    so both are drawn together: what slows a whole round slows both sides and cancels."""
    if len(above) < FEWEST_ROUNDS:
        ratios = np.median(above, axis=1) / np.median(below, axis=1)
        return float(ratios.min()), float(ratios.max())
    draws = _draws(len(above))
    return _middle(_medians(above, draws) / _medians(below, draws))


def _draws(rounds: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(rounds, size=(RESAMPLES, rounds))


def _medians(blocks: Blocks, draws: NDArray[np.int64]) -> Blocks:
    medians: Blocks = np.median(blocks[draws].reshape(len(draws), -1), axis=1)
    return medians


def _middle(values: Blocks) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
