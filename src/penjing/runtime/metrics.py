"""How right decisions are: one number with its 95% interval, by the metric's name.

A decision is what `answers.decide` gives; one that is None (logits that are no numbers) is wrong. Left out: how
decisions are made, and counting flips (`export/verify.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

Z_95 = 1.959963984540054
"""Two-sided 95% point of the normal distribution."""
RESAMPLES = 1000
"""Of the texts, for the interval of an F1, which has no formula. Their seed is fixed."""
Decisions = Sequence[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A metric's value and its 95% interval."""

    value: float
    low: float
    high: float


def share_interval(count: int, n: int) -> tuple[float, float]:
    """95% score interval of a share (Wilson 1927; Newcombe 1998, method 3), within [0, 1] even for 0 of n >= 1."""
    share, square = count / n, Z_95**2
    middle = share + square / (2 * n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # The ends of 0 of n and n of n are exact by the formula, but not in floating point.
    low = 0.0 if count == 0 else (middle - half) / (1 + square / n)
    high = 1.0 if count == n else (middle + half) / (1 + square / n)
    return low, high


def accuracy(decisions: Decisions, gold: Decisions) -> Measured:
    """Share of texts decided as their gold says; Wilson's interval."""
    right = sum(decision == answer for decision, answer in zip(decisions, gold, strict=True))
    return Measured(right / len(gold), *share_interval(right, len(gold)))


def binary_f1(decisions: Decisions, gold: Decisions) -> Measured:
    """F1 of label number 1, the second of two."""
    chosen = [[1] if decision == 1 else [] for decision in decisions]
    return micro_f1(chosen, [[1] if answer == 1 else [] for answer in gold])


def micro_f1(decisions: Decisions, gold: Decisions) -> Measured:
    """F1 over all that was found in all texts together: labels of a text, or spans, which count if they are equal.

    With nothing to find and nothing found it is 1. Percentile bootstrap over texts.
    """
    counts = np.array([_hits(found, answer) for found, answer in zip(decisions, gold, strict=True)], np.float64)
    draws = np.random.default_rng(0)
    resampled = [_f1(counts[draws.integers(0, len(counts), len(counts))].sum(0)) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Measured(_f1(counts.sum(0)), float(low), float(high))


def pearson(decisions: Decisions, gold: Decisions) -> Measured:
    """Pearson's correlation; Fisher's interval (1915). Numbers that are all alike correlate with nothing: 0."""
    found, answers = _numbers(decisions), _numbers(gold)
    value = _correlation(found, answers)
    return Measured(value, *_fisher(value, len(answers), 1.0))


def spearman(decisions: Decisions, gold: Decisions) -> Measured:
    """Pearson's correlation of the ranks, ties sharing theirs; interval of Bonett and Wright (2000)."""
    value = _correlation(ranks(_numbers(decisions)), ranks(_numbers(gold)))
    return Measured(value, *_fisher(value, len(gold), math.sqrt(1 + value**2 / 2)))


def ranks(values: Floats) -> Floats:
    """1 for the smallest; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Floats = (last - (counts - 1) / 2)[place]
    return shared


RECALL = "out-of-scope recall"
"""On texts about none of the labels: the share that is turned away, which is what is right there."""
METRICS: dict[str, Callable[[Decisions, Decisions], Measured]] = {
    "accuracy": accuracy, "f1": binary_f1, "micro F1": micro_f1, "span F1": micro_f1, "pearson": pearson,
    "spearman": spearman, RECALL: accuracy,
}  # fmt: skip


def measure(metric: str, decisions: Decisions, gold: Decisions) -> Measured:
    """The metric of that name. Raises DataError when there is no such metric or nothing to measure it on."""
    if metric not in METRICS:
        raise DataError(f"no metric {metric!r}: choose of {', '.join(METRICS)}")
    if not len(gold):
        raise DataError(f"{metric} of no texts: give at least one")
    return METRICS[metric](decisions, gold)


def _hits(found: Any, answer: Any) -> tuple[int, int, int]:
    """Right ones, found ones, and those that there are."""
    chosen, there = set(found or ()), set(answer)
    return len(chosen & there), len(chosen), len(there)


def _f1(counts: Floats) -> float:
    both = counts[1] + counts[2]
    return 1.0 if both == 0 else float(2 * counts[0] / both)


def _numbers(values: Decisions) -> Floats:
    """What is no number stands as the mean of the others: it tells nothing."""
    numbers = np.array([math.nan if value is None else value for value in values], np.float64)
    known = np.isfinite(numbers)
    numbers[~known] = numbers[known].mean() if known.any() else 0.0
    return numbers


def _correlation(one: Floats, other: Floats) -> float:
    x, y = one - one.mean(), other - other.mean()
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return 0.0 if spread == 0 else min(1.0, max(-1.0, float(x @ y) / spread))


def _fisher(value: float, n: int, widening: float) -> tuple[float, float]:
    if n <= 3:
        return -1.0, 1.0
    if abs(value) == 1:
        return value, value
    middle, half = math.atanh(value), widening * Z_95 / math.sqrt(n - 3)
    return math.tanh(middle - half), math.tanh(middle + half)
