"""Quantization-aware training: the student learns from its teacher once more, with its values rounded as in int8 files.

The loss is MobileBERT's transfer (`methods/mobilebert.py`), with what was kept of the teacher. The best evaluation is
that with most texts decided right both with the rounding and without it, since both kinds of file are shipped: the
rounded model's metric alone would keep one that decides unlike its own fp32 file. Left out: how values are rounded
(`fake_quantization.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from ..fake_quantization import fake_quantized
from ..models.folded import is_foldable
from ..models.mobilebert import MobileBertClassifier, NoNorm
from ..prune.fold_norms import in_even_units, without_norms
from ..prune.units import Encoder
from ..tasks.task import text_logits
from ..tokens import Batch
from ..training import Evaluation, TrainingPlan, device_of, train
from .alignment import Alignment
from .lessons import DistillSettings, Lessons
from .methods.mobilebert import transfer_loss


def learn_quantized(
    student: Encoder,
    lessons: Lessons,
    settings: DistillSettings,
    alignment: Alignment,
    plan: TrainingPlan,
    checkpoints: Path,
) -> tuple[Encoder, list[Evaluation]]:
    """The trained student, whose weights are plain, and its curve. Of `settings` only the losses' weights are read.

    MobileBERT's norms are folded away first where that is possible, and stay so, and its stream is in even units.
    Resumes from `checkpoints`.
    """
    student, lessons = _with_norms_folded(student, lessons)
    norms = [parameter for m in student.modules() if isinstance(m, NoNorm) for parameter in m.parameters()]
    loss_of = transfer_loss(lessons, settings, alignment)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        with fake_quantized(student):
            return loss_of(model, indices)

    _set_trainable(norms, False)  # a norm that moved would scale the columns of what is quantized
    checkpoints.mkdir(parents=True, exist_ok=True)
    curve = train(
        student, lessons.texts.lengths, step_loss, lambda: right_with_and_without(student, lessons), plan, checkpoints,
        "student: quantized",
    )  # fmt: skip
    _set_trainable(norms, True)
    return student, curve


def right_with_and_without(student: Encoder, lessons: Lessons) -> float:
    """The goal's metric where a validation text counts as right only if the student decides it so both with rounded
    values and with its own."""

    def logits_of(batch: Batch) -> Tensor:
        own = batch.to(device_of(student))
        logits: Tensor = student(own.input_ids, own.attention_mask, own.token_type_ids)
        return logits

    goal, texts = lessons.goal, lessons.validation
    exact = goal.decisions(text_logits(logits_of, texts), texts)
    with fake_quantized(student):
        rounded = goal.decisions(text_logits(logits_of, texts), texts)
    return goal.value(goal.agreed(rounded, exact), lessons.validation_labels)


def _with_norms_folded(student: Encoder, lessons: Lessons) -> tuple[Encoder, Lessons]:
    """Folded hidden states are not the teacher's any more, so of such a student's states nothing is asked."""
    if not isinstance(student, MobileBertClassifier) or not is_foldable(student):
        return student, lessons
    return in_even_units(without_norms(student)[0]), replace(lessons, outputs=replace(lessons.outputs, hidden=None))


def _set_trainable(parameters: list[nn.Parameter], trainable: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(trainable)
