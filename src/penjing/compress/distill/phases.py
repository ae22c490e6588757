"""How any student learns from a teacher's kept outputs: first its layers (transfer), then its decisions (task).

The transfer matches feature maps and attention on all text at hand, the task phase the logits (MobileBERT, arXiv
2004.02984, section 3.4, in the auxiliary form: all layers together). The same two phases train a fresh student and
mend a pruned one. Left out: the progressive strategies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..teacher import accuracy
from ..tokens import Batch, TokenizedTexts
from ..training import Evaluation, StepLoss, TrainingPlan, device_of, train
from .alignment import Alignment, is_identity
from .losses import attention_loss, feature_map_loss, logits_loss
from .teacher_cache import TeacherOutputs


class DistillSettings(Protocol):
    """How long and with which weights: the `distill` section of a recipe, or `prune.recovery`."""

    @property
    def transfer_epochs(self) -> int: ...
    @property
    def transfer_learning_rate(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def warmup(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def logits_weight(self) -> float: ...
    @property
    def label_weight(self) -> float: ...
    @property
    def feature_weight(self) -> float: ...
    @property
    def attention_weight(self) -> float: ...
    @property
    def evaluations_per_epoch(self) -> int: ...


@dataclass(frozen=True)
class Lessons:
    """Everything the student learns from. Rows beyond `len(labels)` are the corpus and carry no label.

    `aligned` [texts] is False where the student's tokens are not the teacher's (a cut vocabulary): of those texts only
    the logits are learnt.
    """

    texts: TokenizedTexts
    outputs: TeacherOutputs
    labels: tuple[int, ...]
    validation: TokenizedTexts
    validation_labels: tuple[int, ...]
    aligned: NDArray[np.bool_]


def learn(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, *, seed: int, checkpoints: Path
) -> tuple[list[Evaluation], list[Evaluation]]:
    """Trains the student in place through both phases; returns their curves. Resumes from `checkpoints`."""
    transfer = TrainingPlan(
        settings.transfer_epochs, settings.batch_size, settings.transfer_learning_rate, settings.warmup,
        settings.evaluations_per_epoch, seed,
    )  # fmt: skip
    task = TrainingPlan(
        settings.epochs, settings.batch_size, settings.learning_rate, settings.warmup, settings.evaluations_per_epoch,
        seed,
    )  # fmt: skip
    first = _phase(student, lessons, transfer_loss(lessons, settings, alignment), transfer, checkpoints, "transfer")
    second = _phase(student, lessons, task_loss(lessons, settings), task, checkpoints, "task")
    return first, second


def validate(student: nn.Module, lessons: Lessons) -> float:
    """Accuracy on the validation text."""

    def logits_of(batch: Batch) -> Tensor:
        own = batch.to(device_of(student))
        logits: Tensor = student(own.input_ids, own.attention_mask, own.token_type_ids)
        return logits

    return accuracy(logits_of, lessons.validation, lessons.validation_labels)


def transfer_loss(lessons: Lessons, settings: DistillSettings, alignment: Alignment) -> StepLoss:
    """Feature maps and attention of every layer, and the logits."""
    same_basis = is_identity(alignment.basis)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        batch = lessons.texts.batch(indices).to(device)
        lesson = lessons.outputs.lesson(indices, batch.input_ids.shape[1], lessons.aligned).to(device)
        logits, layers = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
        aligned = torch.from_numpy(lessons.aligned[indices]).to(device)
        mask = batch.attention_mask * aligned[:, None]
        loss = settings.logits_weight * logits_loss(logits.float(), lesson.logits, settings.temperature)
        for own, index in zip(layers.hidden[1:] if lesson.hidden else (), alignment.hidden, strict=False):
            target = lesson.hidden[index] if same_basis else lesson.hidden[index] @ alignment.basis.to(device)
            loss = loss + settings.feature_weight * feature_map_loss(own.float(), target, mask) / len(alignment.hidden)
        rows = zip(layers.scores if lesson.attention else (), alignment.attention, alignment.heads, strict=False)
        for own, index, heads in rows:
            weights = lesson.attention[index] if heads is None else lesson.attention[index][:, list(heads)]
            loss = loss + settings.attention_weight * attention_loss(own.float(), weights, mask) / len(alignment.heads)
        return loss

    return step_loss


def task_loss(lessons: Lessons, settings: DistillSettings) -> StepLoss:
    """The teacher's logits on all text and, where asked for, the gold labels on the labelled rows."""
    labels = torch.tensor(lessons.labels)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        wanted = lessons.outputs.logits_of(indices).to(device)
        batch = lessons.texts.batch(indices).to(device)
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).float()
        loss = settings.logits_weight * logits_loss(logits, wanted, settings.temperature)
        labelled = [row for row, i in enumerate(indices) if i < len(labels)]
        if settings.label_weight and labelled:
            gold = labels[[indices[row] for row in labelled]].to(device)
            share = len(labelled) / len(indices)
            loss = loss + settings.label_weight * share * F.cross_entropy(logits[labelled], gold)
        return loss

    return step_loss


def _phase(
    student: nn.Module, lessons: Lessons, step_loss: StepLoss, plan: TrainingPlan, checkpoints: Path, name: str
) -> list[Evaluation]:
    if plan.epochs == 0:
        return []
    folder = checkpoints / name
    folder.mkdir(parents=True, exist_ok=True)
    lengths = lessons.texts.lengths
    return train(student, lengths, step_loss, lambda: validate(student, lessons), plan, folder, f"student: {name}")
