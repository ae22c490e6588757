"""A notice when the scores of normal samples no longer spread as they did at calibration. Nothing is retrained.

Scores up to the threshold are counted in ten bins of equal calibration share; each full count of them is compared by
the population stability index, PSI = sum (p - q) ln(p / q). A drift begins after two counts in a row over the limit and
ends after two under 0.4 times it (0.25 and 0.1 are the customary values: Siddiqi 2006, "Credit Risk Scorecards").
Without drift, PSI is about (1/rows + 1/calibration rows) times a chi-squared number (Yurdakul 2018), so that the limit
is higher where few rows were calibrated on. Left out: which feature drifts, and a drift so large that every sample is
above the threshold: those are alarms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration import LEVELS, Threshold

ROWS = 1000
"""Normal samples in one count."""
BINS = 10
_BEGINS, _ENDS = 0.25, 0.4
_IN_A_ROW = 2
_CHI_SQUARED = 27.9
"""Of 9 degrees of freedom; one count in a thousand is beyond."""


@dataclass(frozen=True)
class DriftNotice:
    """Drift "begins" or "ends" at `sample` (its number in the stream, from 0): `psi` against the `limit` passed."""

    sample: int
    kind: str
    psi: float
    limit: float


class DriftWatch:
    """Counts scores and gives notices; its memory is ten numbers."""

    def __init__(self, threshold: Threshold) -> None:
        """Takes the bins from the quantiles up to the threshold; scores that are all equal leave nothing to watch."""
        self.threshold = threshold.threshold
        self.edges, self.shares = _bins(threshold)
        self.limit = max(_BEGINS, _CHI_SQUARED * (1 / ROWS + 1 / threshold.n))
        self._counts = np.zeros(len(self.shares), np.int64)
        self._drifting, self._in_a_row = False, 0

    def update(self, scores: NDArray[np.float64], first: int) -> tuple[DriftNotice, ...]:
        """Takes the next scores [n], of which the one at 0 is sample `first` of the stream; NaN is left out.

        Cutting a series into chunks changes nothing.
        """
        if len(self.shares) < 2:
            return ()
        normal = np.flatnonzero(scores <= self.threshold)
        bins, notices, at = np.searchsorted(self.edges, scores[normal], side="left"), list[DriftNotice](), 0
        while at < len(bins):
            end = min(len(bins), at + ROWS - int(self._counts.sum()))
            self._counts += np.bincount(bins[at:end], minlength=len(self.shares))
            at = end
            if self._counts.sum() == ROWS:
                notices += self._judge(first + int(normal[end - 1]))
        return tuple(notices)

    def state(self) -> dict[str, Any]:
        """Plain values for `restore`."""
        return {
            "edges": self.edges.tolist(),
            "counts": self._counts.tolist(),
            "drifting": self._drifting,
            "in_a_row": self._in_a_row,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`; counts of other bins, from before a new calibration, are dropped."""
        if list(state["edges"]) != self.edges.tolist():
            return
        self._counts = np.array(state["counts"], np.int64)
        self._drifting, self._in_a_row = bool(state["drifting"]), int(state["in_a_row"])

    def _judge(self, sample: int) -> list[DriftNotice]:
        found = psi(self._counts, self.shares)
        self._counts[:] = 0
        limit = self.limit * (_ENDS if self._drifting else 1)
        turns = found < limit if self._drifting else found > limit
        self._in_a_row = self._in_a_row + 1 if turns else 0
        if self._in_a_row < _IN_A_ROW:
            return []
        self._drifting, self._in_a_row = not self._drifting, 0
        return [DriftNotice(sample, "begins" if self._drifting else "ends", found, limit)]


def psi(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """The index of `counts` against the expected `shares`; half a row is added to each bin, so that none is empty."""
    found = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return float(((found - shares) * np.log(found / shares)).sum())


def _bins(threshold: Threshold) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner edges, and the share of scores up to the threshold in each bin (edge before, edge].

    Equal quantiles, of scores that take few values, fall together into one bin of a larger share.
    """
    below = _level(threshold.quantiles, threshold.threshold)
    wanted = np.interp(below * np.arange(1, BINS) / BINS, LEVELS, threshold.quantiles)
    edges = np.unique(wanted[wanted < min(threshold.threshold, threshold.quantiles[-1])])
    if not len(edges):
        return edges, np.ones(1)
    reached = [_level(threshold.quantiles, edge) / below for edge in edges.tolist()]
    shares = np.diff(np.array([0.0, *reached, 1.0]))
    return edges, np.maximum(shares, 0.5 / ROWS)


def _level(quantiles: Sequence[float], score: float) -> float:
    """The share of calibration scores up to `score`; between two quantiles by a straight line."""
    after = bisect_right(quantiles, score)
    if after in (0, len(quantiles)):
        return 0.0 if after == 0 else 1.0
    low, high = quantiles[after - 1], quantiles[after]
    return LEVELS[after - 1] + (score - low) / (high - low) * (LEVELS[after] - LEVELS[after - 1])
