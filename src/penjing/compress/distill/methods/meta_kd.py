"""Meta-distillation (Pan et al. 2020, arXiv 2012.01266): the student learns most where its meta-teacher is an expert.

L_MD = mean over i of l_i (L_emb + L_hid + L_attn + L_pred + 0.5 L_TKD), in TinyBERT's two phases as in the published
code: first the layers and what carries over between domains, then the answers. Each text's losses are weighed by its
own l_i in both; in the published code a mean over the batch is, and the answers are not. The projections to the
teacher's width and the student's domain part are thrown away. Left out: texts without a label and a domain, so there is
no corpus.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....runtime.errors import TrainingError
from ...training import StepLoss, device_of
from ..alignment import Alignment
from ..lessons import DistillSettings, Lessons, taught
from ..meta.corruption import DomainPart
from ..meta.knowledge import MetaKnowledge
from ..meta.student_losses import (
    attention_losses,
    decision_losses,
    state_losses,
    transferable_losses,
    weighted_mean,
)
from ..method import TASK, TRANSFER, Method, Phase, task_plan, transfer_plan
from ..teacher_cache import Needs
from .mobilebert import without_head

TRANSFERABLE_WEIGHT = 0.5
NAME = "meta-kd"


class MetaStudent(nn.Module):
    """The student, the projection of its states to the teacher's hidden size (one for all layers, as TinyBERT's), its
    own domain part, and the fit of its z to the teacher's."""

    def __init__(self, student: Any, teacher_hidden: int, domains: int) -> None:
        super().__init__()
        own = student.config.hidden_size
        self.student = student
        self.fit_dense = nn.Linear(own, teacher_hidden)
        self.domain = DomainPart(own, domains)
        self.fit_domain = nn.Linear(own, teacher_hidden)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, domains: Tensor) -> Any:
        """Projected states, the embeddings' first, and scores before the softmax, one tensor a layer; projected z."""
        _, layers = self.student(input_ids, attention_mask, token_type_ids, with_layers=True)
        z = self.fit_domain(self.domain(layers.hidden[-1], attention_mask, domains))
        return [self.fit_dense(states) for states in layers.hidden], layers.scores, z


def transfer_loss(lessons: Lessons, settings: DistillSettings, alignment: Alignment) -> StepLoss:
    """L_MD without L_pred; sums over layers, each by its weight in the recipe."""
    meta = knowledge_of(lessons)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        lesson = taught(lessons, indices, model)
        batch, teacher, mask = lesson.batch, lesson.lesson, lesson.mask
        domains, expertise, wanted = (t[indices].to(mask.device) for t in (meta.domains, meta.expertise, meta.z))
        states, scores, z = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, domains)
        losses = TRANSFERABLE_WEIGHT * transferable_losses(z.float(), wanted)
        targets = (teacher.embeddings[0], *(teacher.hidden[index] for index in alignment.hidden))
        for own, target in zip(states, targets, strict=True):
            losses = losses + settings.feature_weight * state_losses(own.float(), target, mask)
        for own, index in zip(scores, alignment.attention, strict=True):
            losses = losses + settings.attention_weight * attention_losses(own.float(), teacher.scores[index], mask)
        return weighted_mean(losses, expertise)

    return step_loss


def task_loss(lessons: Lessons, settings: DistillSettings) -> StepLoss:
    """L_MD's L_pred and, where asked for, the gold label's cross-entropy by the same weight."""
    meta, labels = knowledge_of(lessons), torch.tensor(lessons.labels)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        batch = lessons.texts.batch(indices).to(device)
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).float()
        wanted = lessons.outputs.logits_of(indices).to(device)
        losses = settings.logits_weight * decision_losses(logits, wanted, settings.temperature)
        gold = F.cross_entropy(logits, labels[indices].to(device), reduction="none")
        return weighted_mean(losses + settings.label_weight * gold, meta.expertise[indices].to(device))

    return step_loss


def knowledge_of(lessons: Lessons) -> MetaKnowledge:
    """Raises TrainingError where the teacher is a plain one, or where there are texts without a label."""
    if lessons.meta is None or len(lessons.meta.expertise) != len(lessons.texts):
        raise TrainingError(
            f"distill.method {NAME} learns of a meta-teacher, from texts with labels and domains: name data.domain or"
            " data.domains, and leave distill.corpus out"
        )
    return lessons.meta


def _needs(settings: DistillSettings) -> Needs:
    asked = settings.transfer_epochs > 0
    return Needs(hidden=asked, embeddings=asked, attention="scores" if asked else "")


def _phases(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    last = Phase("task", TASK, student, task_loss(lessons, settings), task_plan(settings, seed))
    if settings.transfer_epochs == 0:
        return (last,)
    torch.manual_seed(seed)
    model = MetaStudent(student, len(alignment.basis), knowledge_of(lessons).domain_count)
    loss = transfer_loss(lessons, settings, alignment)
    plan = transfer_plan(settings, seed, warmup=0.0, last_rate=1.0, keep_best=False)
    return Phase("transfer", TRANSFER, model, loss, plan, _rates), last


def _rates(name: str) -> float:
    return without_head(name.removeprefix("student."))


METHOD = Method(NAME, _needs, _phases, by_head=True)
