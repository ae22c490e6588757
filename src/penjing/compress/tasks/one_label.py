"""One label a text: softmax, cross-entropy, accuracy; a flip is another label.

Of two labels the F1 of the second one may count instead. Left out: texts that are about none of the labels; their
threshold is chosen after the training (`out_of_scope.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...runtime.answers import SOFTMAX
from ..distill.losses import logits_loss
from ..tokens import TokenizedTexts
from .task import Goal, Targets, Task


def number_of(label: Any, labels: Sequence[str]) -> int:
    """Of a label by name or number; a label that is named like a number keeps its name's meaning."""
    numbers = {str(i): i for i in range(len(labels))} | {name: i for i, name in enumerate(labels)}
    if str(label) not in numbers:
        raise ValueError(f"the label {label!r} in row {{row}}; task.labels has {', '.join(labels)}")
    return numbers[str(label)]


def _read(text: Any, label: Any, labels: Sequence[str], _separator: str) -> tuple[str, int]:
    return text, number_of(label, labels)


def _check(golds: Sequence[int], labels: Sequence[str]) -> None:
    if len(set(golds)) < 2:
        raise ValueError(f"holds one class only ({labels[golds[0]]!r}): a task needs two")


def _targets(golds: Sequence[int], _goal: Goal, _texts: TokenizedTexts) -> Targets:
    return np.asarray(golds, np.int64)


def _hard(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets)


TASK = Task(
    kind="text-classification", problem="single_label_classification", metrics=("accuracy", "f1"), read=_read,
    named=lambda gold: (gold,), check=_check, outputs=tuple, after=lambda _: SOFTMAX, targets=_targets,
    hard_loss=_hard, soft_loss=logits_loss,
)  # fmt: skip
