"""How good scores are where labels tell anomalies: ranking, rates at a threshold, events, false alarms a day.

Intervals are of 95% and take rows as independent. Rows of a series are not, so that theirs are too narrow. Left out:
point-adjusted F1, which a random score can win (Kim et al. 2022, "Towards a Rigorous Evaluation of Time-Series Anomaly
Detection"), and NAB's score (`nab.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from ..runtime.errors import DataError

Z = 1.959964
SECONDS_A_DAY = 86_400.0
_HALVINGS = 60

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AlarmRates:
    """At one threshold: the share of the `anomalies` that it finds, and of the `normals` that it takes for some."""

    recall: Estimate
    false_alarms: Estimate
    anomalies: int
    normals: int


@dataclass(frozen=True)
class EventScores:
    """`found` of `events` were alarmed, and there were `false_alarms` elsewhere, `a_day` of them in normal time (None
    without a period). precision = found / (found + false_alarms), recall = found / events, `f1` is their harmonic mean.
    """

    events: int
    found: int
    false_alarms: int
    precision: float
    recall: float
    f1: float
    a_day: Estimate | None


def auc_roc(scores: ArrayLike, labels: ArrayLike) -> Estimate:
    """The chance that an anomaly scores above a normal row. Raises DataError unless both kinds are there.

    `scores` [n], `labels` [n] true for anomalies. The interval is method 5 of Newcombe 2006 (Statistics in Medicine 25,
    559-573): Hanley and McNeil's variance, taken at the end that is looked for, so that an area of 1 has one too.
    """
    checked, marks = _checked(scores, labels)
    area = float(roc_auc_score(marks, checked))
    above, below = int(marks.sum()), int((~marks).sum())
    reach = (above + below) / 2 - 1

    def spread(x: float) -> float:
        return math.sqrt(x * (1 - x) * (1 + reach * ((1 - x) / (2 - x) + x / (1 + x))) / (above * below))

    return Estimate(area, _end(area, 0.0, spread), _end(area, 1.0, spread))


def auc_pr(scores: ArrayLike, labels: ArrayLike) -> Estimate:
    """Average precision: the precision at each anomaly, from the highest score down. A useless score has the share of
    anomalies. Raises DataError unless both kinds are there.

    The interval takes it as a share of the anomalies (Boyd, Eng and Page 2013, "Area under the precision-recall curve:
    point estimates and confidence intervals", the binomial interval), in Wilson's form.
    """
    checked, marks = _checked(scores, labels)
    area = float(average_precision_score(marks, checked))
    return share_estimate(area, int(marks.sum()))


def alarm_rates(scores: ArrayLike, labels: ArrayLike, threshold: float) -> AlarmRates:
    """What a threshold does: a score above it is an alarm. Raises DataError unless both kinds are there."""
    checked, marks = _checked(scores, labels)
    alarms = checked > threshold
    anomalies, normals = int(marks.sum()), int((~marks).sum())
    recall = share_estimate(float(alarms[marks].mean()), anomalies)
    return AlarmRates(recall, share_estimate(float(alarms[~marks].mean()), normals), anomalies, normals)


def event_scores(
    alarms: ArrayLike, labels: ArrayLike, *, tolerance: int = 0, period_seconds: float | None = None
) -> EventScores:
    """How alarms [n] in a series meet its events; both are true or false for each row.

    An event is a run of anomalous rows, found if any row of it is alarmed, once however often. A false alarm is a run
    of alarmed normal rows. The `tolerance` rows after an event count as neither: a window still holds some of the event
    there, so give window - 1. An alarm that never ends thus has its false alarms, one between each two events.
    The interval of the rate a day is the score interval of a Poisson count. Raises DataError for unequal lengths.
    """
    raised, marks = np.asarray(alarms, np.bool_), np.asarray(labels, np.bool_)
    if raised.shape != marks.shape or raised.ndim != 1 or not len(raised):
        raise DataError(f"alarms are {list(raised.shape)}, labels {list(marks.shape)}: give both as [n]")
    spans = runs(marks)
    quiet = ~marks
    for _, end in spans:
        quiet[end : end + tolerance] = False
    found = sum(bool(raised[start:end].any()) for start, end in spans)
    false = len(runs(raised & quiet))
    precision = found / (found + false) if found + false else 0.0
    recall = found / len(spans) if spans else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    days = None if period_seconds is None else float(quiet.sum()) * period_seconds / SECONDS_A_DAY
    a_day = count_estimate(false, days) if days else None
    return EventScores(len(spans), found, false, precision, recall, f1, a_day)


def runs(marks: Marks) -> list[tuple[int, int]]:
    """[start, end) of each run of true values."""
    steps = np.diff(np.concatenate([[0], marks.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def share_estimate(share: float, n: int) -> Estimate:
    """A share of n with Wilson's score interval (1927), which stays within 0 and 1 and has a width at both."""
    middle, half = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n * n))
    low, high = (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)
    return Estimate(share, min(max(low, 0.0), share), max(min(high, 1.0), share))


def count_estimate(count: int, exposure: float) -> Estimate:
    """`count` / `exposure` with the score interval of a Poisson count: for none, up to 3.84 / exposure."""
    middle, half = count + Z**2 / 2, Z * math.sqrt(count + Z**2 / 4)
    return Estimate(count / exposure, max(middle - half, 0.0) / exposure, (middle + half) / exposure)


def _end(value: float, outer: float, spread: Callable[[float], float]) -> float:
    """Where |value - x| is Z spreads of x, between `value` and `outer`, by halving."""
    inner = value
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if abs(value - middle) <= Z * spread(middle) else (inner, middle)
    return inner


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], Marks]:
    checked, marks = np.asarray(scores, np.float64), np.asarray(labels, np.bool_)
    if checked.ndim != 1 or checked.shape != marks.shape:
        raise DataError(f"scores are {list(checked.shape)}, labels {list(marks.shape)}: give one of each a row, [n]")
    if not np.isfinite(checked).all():
        bad = int((~np.isfinite(checked)).sum())
        raise DataError(f"{bad} of {len(checked)} scores are not finite: run `penjing verify` on the bundle")
    if marks.all() or not marks.any():
        kind = "anomalies" if len(marks) and marks.all() else "normal"
        raise DataError(f"all {len(marks)} rows are {kind} by their labels: quality needs both kinds")
    return checked, marks
