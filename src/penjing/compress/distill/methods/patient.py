"""Patient KD (Sun et al. 2019, arXiv 1908.09355): the task's phase, with the states of [CLS] below the last layer.

Beta, the weight of the patient term, is the recipe's `feature_weight`; each student layer but the last answers to its
teacher layer (PKD-Skip with an even layer map). Where the student is narrower than its teacher, the teacher's states
are taken in the student's basis; the paper's students are as wide. Left out: PKD-Last.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...training import StepLoss
from ..alignment import Alignment, is_identity
from ..lessons import DistillSettings, Lessons, taught
from ..losses import patient_loss
from ..method import TASK, Method, Phase, task_plan
from ..teacher_cache import Needs
from .logits import answer_loss


def patient_task_loss(lessons: Lessons, settings: DistillSettings, alignment: Alignment) -> StepLoss:
    """Logits, labels, and [CLS] of every layer but the last, mean over layers."""
    same_basis, below = is_identity(alignment.basis), alignment.hidden[:-1]
    aligned = torch.from_numpy(lessons.aligned)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        lesson = taught(lessons, indices, model)
        batch, kept = lesson.batch, lesson.lesson.hidden
        logits, layers = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
        loss = answer_loss(batch.rows_of(logits.float()), lesson.lesson.logits, lessons, settings, indices)
        rows = aligned[indices].to(logits.device)
        for own, index in zip(layers.hidden[1:-1], below, strict=True):
            first = kept[index][:, 0] if same_basis else kept[index][:, 0] @ alignment.basis.to(logits.device)
            if rows.any():
                loss = loss + settings.feature_weight * patient_loss(own[rows, 0].float(), first[rows]) / len(below)
        return loss

    return step_loss


def _phases(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    loss = patient_task_loss(lessons, settings, alignment)
    return (Phase("task", TASK, student, loss, task_plan(settings, seed)),)


METHOD = Method("patient", lambda settings: Needs(hidden=settings.epochs > 0), _phases, transfers=False)
