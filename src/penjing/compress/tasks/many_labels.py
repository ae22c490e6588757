"""Any number of labels a text: a sigmoid each, given from 0.5 on; binary cross-entropy, micro F1.

A flip is a text whose set of labels differs. A cell holds names or numbers with a separator between them, or nothing.
Left out: a threshold of each label's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...runtime.answers import Postprocess
from ..tokens import TokenizedTexts
from .one_label import number_of
from .task import Goal, Targets, Task

THRESHOLD = 0.5


def _read(text: Any, cell: Any, labels: Sequence[str], separator: str) -> tuple[str, tuple[int, ...]]:
    names = cell if isinstance(cell, (list, tuple)) else str("" if cell is None else cell).split(separator)
    found = {number_of(name.strip() if isinstance(name, str) else name, labels) for name in names if str(name).strip()}
    return text, tuple(sorted(found))


def _check(golds: Sequence[tuple[int, ...]], _labels: Sequence[str]) -> None:
    if len(set(golds)) < 2:
        raise ValueError("gives every text the same labels: a task needs texts that differ")


def _targets(golds: Sequence[tuple[int, ...]], goal: Goal, _texts: TokenizedTexts) -> Targets:
    targets = np.zeros((len(golds), len(goal.outputs)), np.float32)
    for row, gold in enumerate(golds):
        targets[row, list(gold)] = 1
    return targets


def soft_labels_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(teacher || student) of each label's softened yes or no, mean over texts and labels; [batch, labels]."""
    wanted = (teacher / temperature).sigmoid()
    softened = student / temperature
    cross = F.binary_cross_entropy_with_logits(softened, wanted)
    return (cross - F.binary_cross_entropy_with_logits(teacher / temperature, wanted)) * temperature**2


TASK = Task(
    kind="multi-label-classification", problem="multi_label_classification", metrics=("micro F1",), read=_read,
    named=lambda gold: gold, check=_check, outputs=tuple, after=lambda _: Postprocess("sigmoid", threshold=THRESHOLD),
    targets=_targets, hard_loss=F.binary_cross_entropy_with_logits, soft_loss=soft_labels_loss,
)  # fmt: skip
