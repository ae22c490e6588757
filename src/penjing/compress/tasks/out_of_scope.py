"""Texts that are about none of the labels: the threshold below which the best label is not believed.

It is chosen on validation text that is in scope, so that no more than the asked share of it is turned away (split
conformal prediction, `runtime/calibration.py`, of 1 - the best label's probability). No text that is out of scope is
needed for it; where there is some, it tells how much of it is found. Left out: training on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime.answers import Postprocess
from ...runtime.calibration import conformal_threshold
from .task import Goal


def with_rejection(goal: Goal, logits: Sequence[Any], false_rejections: float) -> Goal:
    """The goal with a threshold by `logits` [n, labels] of held-out texts in scope.

    Raises DataError when these are too few for the rate.
    """
    rows = np.asarray(logits, np.float64)
    weights = np.exp(rows - rows.max(axis=1, keepdims=True))
    doubts = 1 - weights.max(axis=1) / weights.sum(axis=1)
    found = conformal_threshold(doubts, false_rejections)
    calibration = {"false_rejections": false_rejections, "low": found.low, "high": found.high, "n": found.n}
    after = Postprocess("softmax-reject", threshold=1 - found.threshold, calibration=calibration)
    return replace(goal, after=after)
