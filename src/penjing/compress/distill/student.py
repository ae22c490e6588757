"""From teacher to student: start from its weights, learn its layers on the transfer set, then its decisions.

The transfer phase matches feature maps and attention on all text at hand, the task phase the logits (MobileBERT, arXiv
2004.02984, section 3.4, in the auxiliary form: all layers together). Left out: the progressive strategies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.from_teacher import start_from_teacher
from ..models.mobilebert import MobileBertClassifier, MobileBertConfig, save_student
from ..teacher import accuracy
from ..tokens import Batch, TokenizedTexts, shuffled_batches
from ..training import Evaluation, StepLoss, TrainingPlan, device_of, train
from .losses import attention_loss, feature_map_loss, logits_loss
from .teacher_cache import TeacherOutputs

START_SENTENCES = 1536
"""Texts that the closed-form start looks at; twice as many changed the start's accuracy by less than its noise."""
START_BATCH = 64


class StudentShape(Protocol):
    """The student's section of a recipe."""

    @property
    def layers(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def bottleneck_size(self) -> int: ...
    @property
    def embedding_size(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def feed_forwards(self) -> int: ...
    @property
    def norm(self) -> str: ...
    @property
    def activation(self) -> str: ...


class DistillSettings(Protocol):
    """The distillation's section of a recipe."""

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
    """Everything the student learns from. Rows beyond `len(labels)` are the corpus and carry no label."""

    texts: TokenizedTexts
    outputs: TeacherOutputs
    labels: tuple[int, ...]
    validation: TokenizedTexts
    validation_labels: tuple[int, ...]


@dataclass(frozen=True)
class Curves:
    """Accuracy of the untrained start, and the two training curves."""

    start: float
    transfer: tuple[Evaluation, ...]
    task: tuple[Evaluation, ...]


def student_config(shape: StudentShape, teacher_config: Any, pad_id: int) -> MobileBertConfig:
    """The student's configuration: shape from the recipe, vocabulary and positions from the teacher."""
    return MobileBertConfig.uniform(
        shape.layers, heads=shape.heads, head_size=max(1, shape.bottleneck_size // shape.heads),
        feed_forwards=shape.feed_forwards, intermediate_size=shape.intermediate_size,
        vocab_size=teacher_config.vocab_size, hidden_size=shape.hidden_size, embedding_size=shape.embedding_size,
        bottleneck_size=shape.bottleneck_size, max_positions=teacher_config.max_position_embeddings,
        type_vocab_size=max(1, teacher_config.type_vocab_size), norm=shape.norm, activation=shape.activation,
        pad_id=pad_id,
    )  # fmt: skip


def distil_student(
    config: MobileBertConfig,
    teacher: Any,
    lessons: Lessons,
    settings: DistillSettings,
    *,
    seed: int,
    folder: Path,
    checkpoints: Path,
) -> Curves:
    """Makes the student, trains it in both phases and saves it into `folder`."""
    torch.manual_seed(seed)
    student = MobileBertClassifier(config, lessons.outputs.logits.shape[1]).eval()
    project = start_from_teacher(student, teacher, start_batches(lessons.texts, seed))
    with torch.no_grad():
        start = validate(student, lessons)
    transfer = _phase(student, lessons, settings, _transfer_loss(lessons, settings, project), seed, checkpoints, True)
    task = _phase(student, lessons, settings, _task_loss(lessons, settings), seed, checkpoints, False)
    save_student(student.cpu(), folder)
    return Curves(start, tuple(transfer), tuple(task))


def start_batches(texts: TokenizedTexts, seed: int) -> list[Batch]:
    """The sentences that the closed-form start looks at, drawn by the seed."""
    batches = shuffled_batches(texts.lengths, START_BATCH, f"start-{seed}")[: -(-START_SENTENCES // START_BATCH)]
    return [texts.batch(indices) for indices in batches]


def validate(student: MobileBertClassifier, lessons: Lessons) -> float:
    """Accuracy on the validation text."""

    def logits_of(batch: Batch) -> Tensor:
        own = batch.to(device_of(student))
        logits: Tensor = student(own.input_ids, own.attention_mask, own.token_type_ids)
        return logits

    return accuracy(logits_of, lessons.validation, lessons.validation_labels)


def _phase(
    student: MobileBertClassifier,
    lessons: Lessons,
    settings: DistillSettings,
    step_loss: StepLoss,
    seed: int,
    checkpoints: Path,
    is_transfer: bool,
) -> list[Evaluation]:
    name = "transfer" if is_transfer else "task"
    plan = TrainingPlan(
        settings.transfer_epochs if is_transfer else settings.epochs, settings.batch_size,
        settings.transfer_learning_rate if is_transfer else settings.learning_rate, settings.warmup,
        settings.evaluations_per_epoch, seed,
    )  # fmt: skip
    if plan.epochs == 0:
        return []
    folder = checkpoints / name
    folder.mkdir(parents=True, exist_ok=True)
    lengths = lessons.texts.lengths
    return train(student, lengths, step_loss, lambda: validate(student, lessons), plan, folder, f"student: {name}")


def _transfer_loss(lessons: Lessons, settings: DistillSettings, project: Tensor) -> StepLoss:
    """Feature maps and attention of every layer, and the logits."""
    same_size = project.shape[0] == project.shape[1]

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        batch, lesson = lessons.texts.batch(indices).to(device), lessons.outputs.lesson(indices).to(device)
        logits, layers = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
        targets = lesson.hidden if same_size else tuple(h @ project.to(device) for h in lesson.hidden)
        mask = batch.attention_mask
        loss = settings.logits_weight * logits_loss(logits.float(), lesson.logits, settings.temperature)
        for own, target in zip(layers.hidden[1:], targets, strict=False):
            loss = loss + settings.feature_weight * feature_map_loss(own.float(), target, mask) / len(targets)
        for own, weights in zip(layers.scores, lesson.attention, strict=False):
            loss = loss + settings.attention_weight * attention_loss(own.float(), weights, mask) / len(layers.scores)
        return loss

    return step_loss


def _task_loss(lessons: Lessons, settings: DistillSettings) -> StepLoss:
    """The teacher's logits on all text and, where asked for, the gold labels on the labelled rows."""
    labels = torch.tensor(lessons.labels)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        lesson = lessons.outputs.lesson(indices, with_layers=False).to(device)
        batch = lessons.texts.batch(indices).to(device)
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).float()
        loss = settings.logits_weight * logits_loss(logits, lesson.logits, settings.temperature)
        labelled = [row for row, i in enumerate(indices) if i < len(labels)]
        if settings.label_weight and labelled:
            gold = labels[[indices[row] for row in labelled]].to(device)
            share = len(labelled) / len(indices)
            loss = loss + settings.label_weight * share * F.cross_entropy(logits[labelled], gold)
        return loss

    return step_loss
