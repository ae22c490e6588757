"""DistilBERT's triple loss (Sanh et al. 2019, arXiv 1910.01108, section 3), on the task: softened logits, the gold
labels where the paper has the masked words, and the cosine of the last states.

The published weights are 5, 2 and 1: `logits_weight`, `label_weight`, `feature_weight`; T is 2. Its student starts from
every other layer of the teacher: `student: {architecture: bert, layers: 3}`. Left out: masked words; general
distillation is `distill.general`'s.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...training import StepLoss
from ..alignment import Alignment, is_identity
from ..lessons import DistillSettings, Lessons, taught
from ..losses import cosine_loss
from ..method import TASK, Method, Phase, task_plan
from ..teacher_cache import Needs
from .logits import answer_loss


def triple_loss(lessons: Lessons, settings: DistillSettings, alignment: Alignment) -> StepLoss:
    """Logits, labels and the direction of the last layer's states, in the student's basis where it is narrower."""
    same_basis, last = is_identity(alignment.basis), alignment.hidden[-1]

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        lesson = taught(lessons, indices, model)
        batch, target = lesson.batch, lesson.lesson.hidden[last]
        logits, layers = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
        target = target if same_basis else target @ alignment.basis.to(target.device)
        loss = answer_loss(batch.rows_of(logits.float()), lesson.lesson.logits, lessons, settings, indices)
        return loss + settings.feature_weight * cosine_loss(layers.hidden[-1].float(), target, lesson.mask)

    return step_loss


def _phases(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    loss = triple_loss(lessons, settings, alignment)
    return (Phase("task", TASK, student, loss, task_plan(settings, seed)),)


METHOD = Method("distilbert", lambda settings: Needs(hidden=settings.epochs > 0), _phases, transfers=False)
