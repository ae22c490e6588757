"""What a published figure is made of (DESIGN, section 5): a claim, its target, and an interval over seeds."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Sequence
from typing import Any

from scipy.stats import t as student_t

Interval = tuple[float, float]
COMPARED = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def make_claim(identity: str, value: float, unit: str, interval: Interval | None, n: int) -> dict[str, Any]:
    """A claim that has no target to miss."""
    return {
        "id": identity, "value": value, "unit": unit, "interval": None if interval is None else list(interval), "n": n,
        "target": None, "met": True,
    }  # fmt: skip


def against(claim: dict[str, Any], target: str, why: str) -> dict[str, Any]:
    """The claim beside a target such as ">= 0.9"; one that misses it says `why`."""
    sign, limit = target.split()
    met = bool(COMPARED[sign](claim["value"], float(limit)))
    claim = {**claim, "target": target, "met": met}
    return claim if met else {**claim, "why": why}


def t_interval(values: Sequence[float]) -> Interval | None:
    """The 95% Student interval of the mean over the seeds; None for a single value."""
    if len(values) < 2:
        return None
    half = float(student_t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return mean - half, mean + half


def to_microseconds(run: Any) -> Any:
    """A run's plain values with samples rounded to the microsecond: nothing that was measured is lost, and the file
    stays readable."""
    if isinstance(run, float):
        return round(run, 5)
    if isinstance(run, dict):
        return {key: to_microseconds(value) for key, value in run.items()}
    return [to_microseconds(value) for value in run] if isinstance(run, list) else run
