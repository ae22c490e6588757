"""The mean squared distance of the logits (Tang et al. 2019, arXiv 1903.12136, section 3.1): what the BiLSTM learns by.

On the logits as they are, not on probabilities, and without a temperature. As published `label_weight` is 0; hard
labels alone, which the paper compares with, are `logits_weight: 0` and `label_weight: 1`. Left out: the augmentation
that goes with it (`penjing augment`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ...training import StepLoss, device_of
from ..alignment import Alignment
from ..lessons import DistillSettings, Lessons
from ..method import TASK, Method, Phase, task_plan
from ..teacher_cache import Needs
from .logits import labels_loss


def squared_loss(lessons: Lessons, settings: DistillSettings) -> StepLoss:
    """The mean of (z_student - z_teacher)^2 over classes and texts, and the gold labels where asked for."""

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        wanted = lessons.outputs.logits_of(indices).to(device)
        batch = lessons.texts.batch(indices).to(device)
        logits = batch.rows_of(model(batch.input_ids, batch.attention_mask, batch.token_type_ids).float())
        distance = settings.logits_weight * F.mse_loss(logits, wanted)
        return distance + labels_loss(logits, lessons, settings.label_weight, indices)

    return step_loss


def _phases(student: Any, lessons: Lessons, settings: DistillSettings, _: Alignment, seed: int) -> tuple[Phase, ...]:
    return (Phase("task", TASK, student, squared_loss(lessons, settings), task_plan(settings, seed)),)


METHOD = Method("mean-squared-logits", lambda _: Needs(), _phases, asks="answers", transfers=False)
