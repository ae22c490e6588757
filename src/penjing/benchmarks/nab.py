"""NAB's score: early detections inside a window of anomaly earn, others cost, the more the later after a window.

Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark", as version 1.1
of numenta/NAB counts: 0 is what a detector that never alarms gets, 100 a perfect one. The official figure takes the
threshold that is best on the very data; with a threshold of its own a detector gets less. Left out: making scores of
different series comparable, which one threshold for all of them needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .detection import runs

PROBATION, LONGEST_PROBATION = 0.15, 750
"""Share of a series' rows at its start that count for nothing, and how many at most."""
_STEEPNESS, _FAR = 5.0, 3.0
"""Of the sigmoid, over positions in units of the window; from `_FAR` windows behind one the whole cost counts."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """What a found window earns, what a missed one and a false alarm cost."""

    found: float
    missed: float
    false_alarm: float


PROFILES = {
    "standard": Profile(1.0, 1.0, 0.11),
    "reward_low_FP_rate": Profile(1.0, 1.0, 0.22),
    "reward_low_FN_rate": Profile(1.0, 2.0, 0.11),
}


@dataclass(frozen=True)
class NabSeries:
    """`scores` [n] of a whole series, row by row, and `labels` [n], true inside its windows. Rows that have no score,
    such as those that a detector learned from, get -inf. Raises DataError for unequal lengths or NaN."""

    scores: Scores
    labels: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Checks both."""
        if self.scores.shape != self.labels.shape or self.scores.ndim != 1 or not len(self.scores):
            shapes = f"{list(self.scores.shape)} and {list(self.labels.shape)}"
            raise DataError(f"NAB's scores and labels are {shapes}: give both as [n]")
        if np.isnan(self.scores).any():
            raise DataError(
                f"{int(np.isnan(self.scores).sum())} of {len(self.scores)} scores are NaN: give -inf or a number"
            )


@dataclass(frozen=True)
class NabScore:
    """`score` at `threshold`: a row whose score is at least that high is a detection. `found` of `windows` hold one."""

    score: float
    threshold: float
    found: int
    windows: int


def nab_score(series: Sequence[NabSeries], profile: str = "standard", threshold: float | None = None) -> NabScore:
    """The score of all series together; the best of all thresholds unless one is given.

    Raises DataError for an unknown profile, or when no series has a window.
    """
    if profile not in PROFILES:
        raise DataError(f"NAB has no profile {profile!r}: choose one of {', '.join(PROFILES)}")
    costs = PROFILES[profile]
    windows = sum(len(runs(one.labels)) for one in series)
    if not windows:
        raise DataError("NAB's score needs a window of anomaly in at least one series: name the label windows")
    scores, worth, window = _points(series, costs)
    order = np.argsort(-scores, kind="stable")
    scores, worth, window = scores[order], worth[order], window[order]
    base, gains, finds = _gains(worth, window, costs)
    ends = np.flatnonzero(np.append(scores[:-1] != scores[1:], True))  # rows of one score are detected together
    thresholds = np.concatenate([[math.inf], scores[ends]])
    totals = np.concatenate([[base], base + np.cumsum(gains)[ends]])
    if threshold is None:
        best = int(np.where(np.isneginf(thresholds), -math.inf, totals).argmax())
    else:
        best = int(np.flatnonzero(thresholds >= threshold)[-1])
    found = int(np.concatenate([[0], np.cumsum(finds)[ends]])[best])
    value = 100 * (float(totals[best]) - base) / (costs.found * windows - base)
    return NabScore(value, float(thresholds[best]), found, windows)


def sweep(labels: NDArray[np.bool_], costs: Profile) -> tuple[Scores, NDArray[np.int64]]:
    """What a detection at each row would earn or cost [n], and the number of the row's window [n], -1 outside."""
    n, spans = len(labels), runs(labels)
    rows = np.arange(n)
    window = np.full(n, -1)
    worth = np.full(n, -costs.false_alarm)
    for number, (start, end) in enumerate(spans):
        width = end - start
        inside = slice(start, end)
        window[inside] = number
        worth[inside] = costs.found * _sigmoid((rows[inside] - end) / width) / _sigmoid(np.array([-1.0]))[0]
        after = slice(end, spans[number + 1][0] if number + 1 < len(spans) else n)
        # A window of a single row has no width to measure by: behind it the whole cost counts.
        past = (rows[after] - (end - 1)) / (width - 1) if width > 1 else np.full(len(rows[after]), math.inf)
        worth[after] = costs.false_alarm * np.where(past > _FAR, -1.0, _sigmoid(np.minimum(past, _FAR)))
    return worth, window


def _points(series: Sequence[NabSeries], costs: Profile) -> tuple[Scores, Scores, NDArray[np.int64]]:
    """Of all rows after the probation: score, worth, and a window's number that no two series share."""
    parts, before = [], 0
    for one in series:
        worth, window = sweep(one.labels, costs)
        first = math.ceil(min(math.floor(PROBATION * len(worth)), LONGEST_PROBATION))
        parts.append((one.scores[first:], worth[first:], np.where(window >= 0, window + before, -1)[first:]))
        before += int(window.max(initial=-1)) + 1
    scores, worths, windows = (np.concatenate(part) for part in zip(*parts, strict=True))
    return scores, worths, windows


def _gains(worth: Scores, window: NDArray[np.int64], costs: Profile) -> tuple[float, Scores, NDArray[np.int64]]:
    """Of no detection: the total. Of each row, as the threshold falls to it: what it adds, and windows newly found.

    Of a window only the best detection counts.
    """
    best = {int(number): -costs.missed for number in np.unique(window[window >= 0])}
    base = sum(best.values())
    gains, finds = worth.copy(), np.zeros(len(worth), np.int64)
    for row in np.flatnonzero(window >= 0):
        number = int(window[row])
        finds[row] = best[number] == -costs.missed
        gains[row] = max(worth[row] - best[number], 0.0)
        best[number] += gains[row]
    return base, gains, finds


def _sigmoid(position: Scores) -> Scores:
    """1 well before a window's end, 0 at it, towards -1 behind it."""
    answer: Scores = 2 / (1 + np.exp(_STEEPNESS * position)) - 1
    return answer
