"""A fresh student from its teacher: the shape from the recipe, the weights in closed form, then both phases.

Or the teacher itself in our own form (`architecture: bert`), for pruning to cut the student out of. Left out: the
phases' losses (`phases.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from ..models.bert import bert_from_teacher
from ..models.checkpoint import save_student
from ..models.from_teacher import start_from_teacher
from ..models.mobilebert import MobileBertClassifier, MobileBertConfig
from ..tokens import Batch, TokenizedTexts, shuffled_batches
from ..training import Evaluation
from .alignment import Alignment, write_alignment
from .phases import DistillSettings, Lessons, learn, validate

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
    """Makes the student, trains it in both phases and saves it and its alignment into `folder`."""
    torch.manual_seed(seed)
    student = MobileBertClassifier(config, lessons.outputs.logits.shape[1]).eval()
    basis = start_from_teacher(student, teacher, start_batches(lessons.texts, seed))
    alignment = Alignment.whole(len(config.layers), basis)
    with torch.no_grad():
        start = validate(student, lessons)
    transfer, task = learn(student, lessons, settings, alignment, seed=seed, checkpoints=checkpoints)
    save_student(student.cpu(), folder)
    write_alignment(alignment, folder)
    return Curves(start, tuple(transfer), tuple(task))


def copy_teacher(teacher: Any, lessons: Lessons, folder: Path) -> Curves:
    """Saves the teacher as a student in our own form: what pruning cuts a student out of. Nothing is trained.

    Raises PruningError when the teacher is no BERT.
    """
    student = bert_from_teacher(teacher)
    with torch.no_grad():
        start = validate(student, lessons)
    save_student(student, folder)
    basis = torch.eye(student.config.hidden_size)
    write_alignment(Alignment.whole(len(student.config.layers), basis), folder)
    return Curves(start, (), ())


def start_batches(texts: TokenizedTexts, seed: int) -> list[Batch]:
    """The sentences that the closed-form start looks at, drawn by the seed."""
    batches = shuffled_batches(texts.lengths, START_BATCH, f"start-{seed}")[: -(-START_SENTENCES // START_BATCH)]
    return [texts.batch(indices) for indices in batches]
