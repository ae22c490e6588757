"""TinyBERT (Jiao et al. 2020, arXiv 1909.10351): the layers first (intermediate), then the answers (prediction).

The intermediate phase adds up, over the student's layers, the squared differences of attention scores before the
softmax and of hidden states after a learned projection, and that of the embeddings' output; its rate is constant, as in
the official code. The projection is thrown away. Padding has no say, and the teacher answers without dropout: in the
official code it is the other way round. Left out: the general distillation before the task (`distill.general`) and the
augmented text (`distill.augmentation`), which any method may use.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...training import StepLoss
from ..alignment import Alignment
from ..lessons import DistillSettings, Lessons, taught
from ..losses import scores_loss, states_loss
from ..method import TRANSFER, Method, Phase, transfer_plan
from ..teacher_cache import Needs
from .logits import task_phase
from .mobilebert import without_head


class Projected(nn.Module):
    """The student and the projection of its states to the teacher's hidden size, one for all layers as in the official
    code (`fit_dense`); the paper writes one for the layers and one for the embeddings."""

    def __init__(self, student: Any, teacher_hidden: int) -> None:
        super().__init__()
        self.student = student
        self.fit_dense = nn.Linear(student.config.hidden_size, teacher_hidden)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Any:
        """Projected states, the embeddings' first, and scores before the softmax, one tensor a layer."""
        _, layers = self.student(input_ids, attention_mask, token_type_ids, with_layers=True)
        return [self.fit_dense(states) for states in layers.hidden], layers.scores


def intermediate_loss(lessons: Lessons, settings: DistillSettings, alignment: Alignment) -> StepLoss:
    """Of embeddings, states and attention scores; sums over layers, each by its weight in the recipe."""

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        lesson = taught(lessons, indices, model)
        batch, teacher, mask = lesson.batch, lesson.lesson, lesson.mask
        states, scores = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        targets = (teacher.embeddings[0], *(teacher.hidden[index] for index in alignment.hidden))
        pairs = zip(states, targets, strict=True)
        each = [states_loss(own.float(), target, mask) for own, target in pairs]
        loss = settings.feature_weight * torch.stack(each).sum()
        for own, index in zip(scores, alignment.attention, strict=True):
            loss = loss + settings.attention_weight * scores_loss(own.float(), teacher.scores[index], mask)
        return loss

    return step_loss


def _needs(settings: DistillSettings) -> Needs:
    asked = settings.transfer_epochs > 0
    return Needs(hidden=asked, embeddings=asked, attention="scores" if asked else "")


def _phases(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    last = task_phase(student, lessons, settings, seed)
    if settings.transfer_epochs == 0:
        return (last,)
    projected = Projected(student, len(alignment.basis))
    loss = intermediate_loss(lessons, settings, alignment)
    plan = transfer_plan(settings, seed, warmup=0.0, last_rate=1.0, keep_best=False)
    return Phase("transfer", TRANSFER, projected, loss, plan, _rates), last


def _rates(name: str) -> float:
    return without_head(name.removeprefix("student."))


METHOD = Method("tinybert", _needs, _phases, by_head=True)
