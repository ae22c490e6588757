"""One number a text: squared error, Spearman's or Pearson's correlation.

The model learns the labels with mean 0 and deviation 1, and the device undoes that, so that labels may have any units.
A flip is a number that is off by more than 2% of the range of the training labels. Left out: several numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...runtime.answers import Postprocess
from ..tokens import TokenizedTexts
from .task import Goal, Targets, Task

TOLERANCE = 0.02
"""Of the range of the training labels."""
OUTPUTS = ("value",)


def _read(text: Any, label: Any, _labels: Sequence[str], _separator: str) -> tuple[str, float]:
    try:
        value = float(label)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"the label {label!r} in row {{row}}, which is no number: give one number a row")
    return text, value


def _check(golds: Sequence[float], _labels: Sequence[str]) -> None:
    if len(set(golds)) < 2:
        raise ValueError(f"holds one value only ({golds[0]:g}): a task needs two")


def _after(golds: Sequence[float]) -> Postprocess:
    values = np.asarray(golds, np.float64)
    return Postprocess(
        "linear", scale=float(values.std()), shift=float(values.mean()), tolerance=float(TOLERANCE * np.ptp(values))
    )


def _targets(golds: Sequence[float], goal: Goal, _texts: TokenizedTexts) -> Targets:
    values = np.asarray(golds, np.float64)
    scaled: Targets = ((values - (goal.after.shift or 0)) / (goal.after.scale or 1)).astype(np.float32)[:, None]
    return scaled


def _soft(student: Tensor, teacher: Tensor, _temperature: float) -> Tensor:
    return F.mse_loss(student, teacher)


TASK = Task(
    kind="regression", problem="regression", metrics=("spearman", "pearson"), read=_read, named=lambda _: (),
    check=_check, outputs=lambda _: OUTPUTS, after=_after, targets=_targets, hard_loss=F.mse_loss, soft_loss=_soft,
)  # fmt: skip
