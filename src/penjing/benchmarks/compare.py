"""Is one subject faster than another? A ratio of medians, its interval, and the floor below which nobody can say.

Both sides come from one interleaved run. The floor comes from the same run: one subject entered twice (A/A) differs
from itself by chance alone. Another run meets another machine, an hour or a minute on: how far it may differ shows in
how far the passes of this one do. Left out: comparing runs (`compare_runs.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .intervals import ratio_interval
from .measurement import Condition, Measurement
from .student import student_point

Verdict = Literal["faster", "slower", "not different"]
HIGH_FLOOR = 1.05
"""An A/A difference above 5% means that the machine was doing something else."""


@dataclass(frozen=True)
class NoiseFloor:
    """What an A/A pair showed: `ratio` of the medians of one subject's two entries, its interval, and both entries."""

    condition: Condition
    ratio: float
    low: float
    high: float
    first: Measurement
    second: Measurement

    @property
    def floor(self) -> float:
        """The largest ratio (>= 1) that this run cannot tell from none: the farther end of the interval."""
        return max(self.high, 1 / self.low, self.ratio, 1 / self.ratio)

    @property
    def between_runs(self) -> float | None:
        """The ratio (>= 1) by which the median of a second run may differ; None of a run in a single pass.

        Student's 95% interval of one pass less another, from the spread of the passes' medians, as if a run were no
        surer than one of its passes: what moves a shared machine lasts longer than a run, so more rounds in the same
        minute do not tell more of the next. Holds in 99% of runs if passes are independent, in 88% if speed is a
        random walk.
        """
        medians = [np.log(side.pass_medians) for side in (self.first, self.second)]
        if len(medians[0]) < 2:
            return None
        spread = math.sqrt(sum(float(np.var(m, ddof=1)) for m in medians) / 2)
        return math.exp(student_point(len(medians[0]) - 1) * math.sqrt(2) * spread)

    @property
    def is_high(self) -> bool:
        """Whether the run deserves a warning."""
        return self.floor > HIGH_FLOOR


@dataclass(frozen=True)
class Comparison:
    """`subject` is `ratio` times as fast as `baseline`, 95% interval `low`..`high`, if the verdict is not otherwise."""

    subject: str
    baseline: str
    condition: Condition
    ratio: float
    low: float
    high: float
    floor: float
    verdict: Verdict

    def sentence(self) -> str:
        """For people: 'A is 4.9x (4.8..5.1) as fast as B', or that they are not different."""
        if self.verdict == "not different":
            return f"{self.subject} and {self.baseline}: not different (noise floor {self.floor:.2f}x)"
        return f"{self.subject} is {self.ratio:.2f}x ({self.low:.2f}..{self.high:.2f}) as fast as {self.baseline}"


def noise_floor(first: Measurement, second: Measurement) -> NoiseFloor:
    """The floor from two measurements of the same subject in the same run."""
    ratio, low, high = _ratio(first, second)
    return NoiseFloor(first.condition, ratio, low, high, first, second)


def compare(subject: Measurement, baseline: Measurement, floor: float) -> Comparison:
    """Compares two measurements of one run; `floor` is the A/A ratio of the same condition.

    'Not different' when the interval holds 1 or when the ratio is within the floor. Raises ValueError when the two were
    not measured under the same condition or not in the same rounds.
    """
    ratio, low, high = _ratio(subject, baseline)
    verdict: Verdict = "faster" if ratio > 1 else "slower"
    if low <= 1 <= high or max(ratio, 1 / ratio) <= floor:
        verdict = "not different"
    return Comparison(subject.subject, baseline.subject, subject.condition, ratio, low, high, floor, verdict)


def _ratio(subject: Measurement, baseline: Measurement) -> tuple[float, float, float]:
    if subject.condition != baseline.condition or subject.rounds != baseline.rounds:
        raise ValueError(f"{subject.subject} and {baseline.subject} were not measured side by side")
    return baseline.p50 / subject.p50, *ratio_interval(baseline.blocks, subject.blocks)
