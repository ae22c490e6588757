"""Plain knowledge distillation (Hinton et al. 2015, arXiv 1503.02531): the softened logits and the gold labels.

EasyNLP's alpha T^2 KL + (1 - alpha) CE (arXiv 2205.00258) is `logits_weight: alpha`, `label_weight: 1 - alpha`; its
published T is 5 and alpha 0.2. Every other method ends with this phase. Left out: what a teacher does on the way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...training import StepLoss, device_of
from ..alignment import Alignment
from ..lessons import DistillSettings, Lessons
from ..method import TASK, Method, Phase, task_plan
from ..teacher_cache import Needs


def task_loss(lessons: Lessons, settings: DistillSettings) -> StepLoss:
    """The teacher's logits on all text and, where asked for, the gold labels on the labelled rows."""

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        wanted = lessons.outputs.logits_of(indices).to(device)
        batch = lessons.texts.batch(indices).to(device)
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return answer_loss(batch.rows_of(logits.float()), wanted, lessons, settings, indices)

    return step_loss


def answer_loss(
    logits: Tensor, wanted: Tensor, lessons: Lessons, settings: DistillSettings, indices: list[int]
) -> Tensor:
    """Of a batch's answers: both terms by their weights. Logits and `wanted` [rows, labels]."""
    loss = settings.logits_weight * lessons.goal.task.soft_loss(logits, wanted, settings.temperature)
    return loss + labels_loss(logits, lessons, settings.label_weight, indices)


def labels_loss(logits: Tensor, lessons: Lessons, weight: float, indices: list[int]) -> Tensor:
    """The task's loss on those rows of a batch that carry a label, by their share and `weight`; 0 where none do."""
    rows = lessons.texts.rows(indices)
    labelled = rows < len(lessons.targets)
    if not weight or not labelled.any():
        return torch.zeros((), device=logits.device)
    gold = torch.from_numpy(lessons.targets[rows[labelled]]).to(logits.device)
    own = logits[torch.from_numpy(labelled).to(logits.device)]
    return weight * float(labelled.mean()) * lessons.goal.task.hard_loss(own, gold)


def task_phase(student: nn.Module, lessons: Lessons, settings: DistillSettings, seed: int) -> Phase:
    """The last phase of every method."""
    return Phase("task", TASK, student, task_loss(lessons, settings), task_plan(settings, seed))


def _phases(student: Any, lessons: Lessons, settings: DistillSettings, _: Alignment, seed: int) -> tuple[Phase, ...]:
    return (task_phase(student, lessons, settings, seed),)


METHOD = Method("logits", lambda _: Needs(), _phases, asks="answers", transfers=False)
