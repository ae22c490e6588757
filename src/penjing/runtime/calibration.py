"""Thresholds from held-out scores: the conformal quantile, the best F1, and the peaks-over-threshold extrapolation.

Every method gives a `Threshold` with a 95% interval of the false-alarm rate that will be realised. Scores must be of
rows that the fit has not seen, and of the very file that they are for: quantization moves scores. Left out: scoring
(`detector.py`), and thresholds that follow the data by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import BundleError, DataError

METHODS = ("conformal", "best-f1", "pot")
QUANTILES = 101
LEVELS = tuple(i / (QUANTILES - 1) for i in range(QUANTILES))
_ROWS_FOR_A_RATE = 20
"""Rows that a rate of 1 is known well enough by; a rate of alpha needs 1 / alpha times as many."""
_TAIL_SHARE, _TAIL_ROWS, _LARGEST_TAIL = 0.02, 20, 0.25
_EVEN = 1e-9
"""Keeps products such as 0.01 * 100 from falling below the whole number that they are."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A score above `threshold` counts as anomalous.

    `false_alarms` is the rate that was asked for (None for best-f1), `low`..`high` the 95% interval of the rate that
    will be realised, `n` the number of normal rows behind it, `quantiles` the 101 quantiles of their scores.
    """

    method: str
    threshold: float
    false_alarms: float | None
    low: float
    high: float
    n: int
    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raises BundleError for values that no calibration gives."""
        if self.method not in METHODS:
            raise BundleError(f"the threshold's method is {self.method!r}: this Penjing knows {', '.join(METHODS)}")
        if not all(math.isfinite(value) for value in (self.threshold, self.low, self.high, *self.quantiles)):
            raise BundleError("a threshold, its interval or its quantiles are not finite: run `penjing calibrate`")
        if len(self.quantiles) != QUANTILES or any(np.diff(self.quantiles) < 0):
            raise BundleError(f"a threshold needs {QUANTILES} ascending quantiles: run `penjing calibrate`")

    def scales(self, scores: Scores) -> Scores:
        """What a difference of each of `scores` [n] is measured in: that score, or the usual spread of normal scores
        where it is larger."""
        spread = self.quantiles[75] - self.quantiles[25]
        scales: Scores = np.maximum(np.maximum(np.abs(scores), spread), np.finfo(np.float32).tiny)
        return scales

    def to_plain(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {**asdict(self), "quantiles": list(self.quantiles)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Threshold:
        """From the manifest; raises BundleError when something is missing or of another type."""
        try:
            asked = plain["false_alarms"]
            return cls(
                str(plain["method"]),
                float(plain["threshold"]),
                None if asked is None else float(asked),
                float(plain["low"]),
                float(plain["high"]),
                int(plain["n"]),
                tuple(float(value) for value in plain["quantiles"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"a threshold lacks or misstates {error}: run `penjing calibrate`") from None


def conformal_threshold(scores: ArrayLike, false_alarms: float) -> Threshold:
    """The (1 - rate)(1 + 1/n) quantile of `scores` [n] of normal rows: split conformal prediction's.

    For exchangeable rows the rate is at most the asked one on average, and follows a beta distribution, from which the
    interval is (Vovk 2012, "Conditional validity of inductive conformal predictors"). Raises DataError for a rate
    outside (0, 1), scores that are not finite, and fewer than 1/rate - 1 rows: no score is high enough then.
    """
    ordered = np.sort(_checked(scores))
    _check_rate(false_alarms)
    n = len(ordered)
    beyond = math.floor(false_alarms * (n + 1) + _EVEN)
    if beyond < 1:
        needed = math.ceil(1 / false_alarms - 1 - _EVEN)
        raise DataError(
            f"{n} normal rows cannot tell a false-alarm rate of {false_alarms:g}, which needs at least {needed}"
            f" (better {rows_for(false_alarms)}): give more rows, or ask for a higher rate"
        )
    low, high = beta_quantile(0.025, beyond, n + 1 - beyond), beta_quantile(0.975, beyond, n + 1 - beyond)
    return Threshold("conformal", float(ordered[n - beyond]), false_alarms, low, high, n, _quantiles(ordered))


def best_f1_threshold(scores: ArrayLike, labels: ArrayLike) -> Threshold:
    """The threshold of the highest F1 on `scores` [n] with `labels` [n], true for anomalies; of equal ones the highest.

    It lies halfway between two scores. Raises DataError when the labels are of one kind only. The interval is that of
    the rate on the same rows, so that it is a little hopeful.
    """
    checked, marks = _checked(scores), np.asarray(labels, np.bool_)
    if marks.shape != checked.shape:
        raise DataError(f"{len(checked)} scores have {marks.size} labels: give one label a row")
    if marks.all() or not marks.any():
        kind = "anomalies" if marks.all() else "normal rows"
        raise DataError(f"all {len(marks)} labelled rows are {kind}: best-f1 needs both kinds, or take conformal")
    order = np.argsort(-checked, kind="stable")
    falling, hits = checked[order], np.cumsum(marks[order])
    f1 = 2 * hits / (np.arange(1, len(marks) + 1) + marks.sum())
    ends = np.append(falling[:-1] > falling[1:], True)  # rows of one score fall on one side together
    best = int(np.where(ends, f1, -1.0).argmax())
    below = falling[best + 1] if best + 1 < len(falling) else np.nextafter(np.float32(falling[best]), -np.float32(1e30))
    return _measured("best-f1", float((falling[best] + float(below)) / 2), None, np.sort(checked[~marks]))


def pot_threshold(scores: ArrayLike, false_alarms: float) -> Threshold:
    """A threshold beyond the data: a generalised Pareto distribution fitted to the highest scores [n] of normal rows.

    As in Siffer et al. 2017 ("Anomaly Detection in Streams with Extreme Value Theory"), but fitted by probability-
    weighted moments (Hosking and Wallis 1987), which need no search. The tail is the highest 2% of scores, or more
    when that is under 20 rows or twice the asked rate. Raises DataError as `conformal_threshold` does, when there are
    too few rows for a tail, and when its scores are all equal.
    """
    ordered = np.sort(_checked(scores))
    _check_rate(false_alarms)
    n = len(ordered)
    tail = math.ceil(max(_TAIL_SHARE * n, 2 * false_alarms * n, _TAIL_ROWS) - _EVEN)
    if tail > _LARGEST_TAIL * n:
        needed = math.ceil(_TAIL_ROWS / _LARGEST_TAIL)
        raise DataError(
            f"pot needs at least {needed} normal rows and a rate of at most {_LARGEST_TAIL / 2:g}, there are {n} and"
            f" {false_alarms:g}: give more rows, or take conformal"
        )
    start = ordered[n - tail - 1]
    shape, scale = _pareto(ordered[n - tail :] - start)
    ratio = false_alarms * n / tail
    step = -math.log(ratio) if abs(shape) < 1e-6 else (ratio**-shape - 1) / shape
    return _measured("pot", float(start + scale * step), false_alarms, ordered)


def calibrate(method: str, scores: Scores, anomalous: NDArray[np.bool_], false_alarms: float | None) -> Threshold:
    """The threshold by one of METHODS from `scores` [n], and which are of anomalies; best-f1 takes no rate.

    Raises DataError as that method does, and where a rate is asked for and no row is normal.
    """
    if method == "best-f1":
        return best_f1_threshold(scores, anomalous)
    if false_alarms is None:
        raise DataError(f"{method} needs the rate of false alarms that you want: give one, such as 0.01")
    if anomalous.all():
        raise DataError(f"all {len(anomalous)} labelled rows are anomalies: {method} is calibrated on normal rows")
    choose = conformal_threshold if method == "conformal" else pot_threshold
    return choose(scores[~anomalous], false_alarms)


def rows_for(false_alarms: float) -> int:
    """How many normal rows tell this rate well: 20 / rate."""
    return math.ceil(_ROWS_FOR_A_RATE / false_alarms - _EVEN)


def few_rows(threshold: Threshold) -> str | None:
    """A sentence for the user when there were enough rows for a threshold but not for a good one."""
    rate = threshold.false_alarms
    if rate is None or threshold.n >= rows_for(rate):
        return None
    return (
        f"{threshold.n} normal rows are few for a false-alarm rate of {rate:g}: it will lie between"
        f" {threshold.low:.2g} and {threshold.high:.2g}; {rows_for(rate)} rows would tell it well"
    )


def beta_quantile(level: float, a: int, b: int) -> float:
    """The quantile of the beta distribution of whole `a`, `b` >= 1: of the a-th smallest of a + b - 1 uniform numbers.

    By halving, on P(Beta(a, b) <= x) = P(Binomial(a + b - 1, x) >= a).
    """
    n, j = a + b - 1, np.arange(a)
    whole = math.lgamma(n + 1)
    logs = np.array([whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(a)])
    low, high = 0.0, 1.0
    for _ in range(50):
        x = (low + high) / 2
        below = 1 - float(np.exp(logs + j * math.log(x) + (n - j) * math.log1p(-x)).sum())
        low, high = (x, high) if below < level else (low, x)
    return (low + high) / 2


def _pareto(excesses: Scores) -> tuple[float, float]:
    """Shape and scale by probability-weighted moments, with the plotting positions (i - 0.35) / n of the paper."""
    n = len(excesses)
    first = float(excesses.mean())
    second = float(((1 - (np.arange(1, n + 1) - 0.35) / n) * excesses).mean())
    if first <= 0 or first - 2 * second <= 0:
        raise DataError("the highest scores are all equal, so pot cannot go beyond them: take conformal")
    return 2 - first / (first - 2 * second), 2 * first * second / (first - 2 * second)


def _measured(method: str, threshold: float, asked: float | None, normal: Scores) -> Threshold:
    """With the interval of Clopper and Pearson (1934) for the share of normal rows above the threshold."""
    n, above = len(normal), int((normal > threshold).sum())
    low = beta_quantile(0.025, above, n - above + 1) if above else 0.0
    high = beta_quantile(0.975, above + 1, n - above) if above < n else 1.0
    return Threshold(method, threshold, asked, low, high, n, _quantiles(normal))


def _quantiles(scores: Scores) -> tuple[float, ...]:
    return tuple(np.maximum.accumulate(np.quantile(scores, LEVELS)).tolist())


def _checked(scores: ArrayLike) -> Scores:
    checked = np.asarray(scores, np.float64)
    if checked.ndim != 1 or not len(checked):
        raise DataError(f"a threshold is calibrated on scores [n], not {list(checked.shape)}: give at least one row")
    if not np.isfinite(checked).all():
        bad = int((~np.isfinite(checked)).sum())
        raise DataError(f"{bad} of {len(checked)} scores are not finite: run `penjing verify` on the bundle")
    return checked


def _check_rate(false_alarms: float) -> None:
    if not 0 < false_alarms < 1:
        raise DataError(f"a false-alarm rate of {false_alarms:g} is none: give one between 0 and 1, such as 0.01")
