"""A fresh student from its teacher: the shape from the recipe, the first weights, then the phases of a method.

A MobileBERT starts in closed form; a BERT is the teacher in our own form or some of its layers. Left out: what a method
asks of it (`methods/`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from ..models.bert import bert_from_teacher
from ..models.checkpoint import save_student
from ..models.closed_form import layer_map
from ..models.from_teacher import start_from_teacher
from ..models.inverted import inverted_config, start_inverted, take_over_ends
from ..models.mobilebert import MobileBertClassifier, MobileBertConfig
from ..prune.apply import keep_layers
from ..prune.units import Encoder
from ..tokens import Batch, TokenizedTexts, shuffled_batches
from ..training import Evaluation
from .alignment import Alignment, write_alignment
from .lessons import DistillSettings, Lessons, validate
from .method import Method, run_phases

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


def start_student(
    shape: StudentShape, teacher: Any, lessons: Lessons, seed: int, assistant: MobileBertClassifier | None = None
) -> tuple[Encoder, Alignment]:
    """A MobileBERT of this shape that starts from its teacher in closed form, and how its layers answer to it.

    With an `assistant`, the teacher as an inverted bottleneck, it takes over that one's embeddings and head and answers
    to its states, which are as wide as its own.
    """
    torch.manual_seed(seed)
    config = _config(shape, teacher, lessons)
    student = MobileBertClassifier(config, lessons.outputs.logits.shape[1]).eval()
    basis = start_from_teacher(student, teacher, start_batches(lessons.texts, seed))
    if assistant is not None:
        take_over_ends(student, assistant)
        basis = torch.eye(config.hidden_size)
    return student, Alignment.whole(len(config.layers), basis)


def invert_teacher(shape: StudentShape, teacher: Any, lessons: Lessons, seed: int) -> tuple[Encoder, Alignment]:
    """The teacher in the shape of an inverted bottleneck, to be distilled before a student of `shape` is."""
    torch.manual_seed(seed)
    config = replace(
        inverted_config(_config(shape, teacher, lessons), teacher.config), by_word=lessons.goal.task.by_word
    )
    model = MobileBertClassifier(config, lessons.outputs.logits.shape[1]).eval()
    basis = start_inverted(model, teacher, start_batches(lessons.texts, seed))
    return model, Alignment.whole(len(config.layers), basis)


def copy_teacher(teacher: Any, layers: int | None = None) -> tuple[Encoder, Alignment]:
    """The teacher in our own form: what pruning cuts a student out of. With `layers`, those that the layers of such a
    student answer to, evenly spaced and the last among them (DistilBERT, arXiv 1910.01108, takes every other one).

    Raises PruningError when the teacher is no BERT.
    """
    student: Encoder = bert_from_teacher(teacher)
    count = len(student.config.layers)
    if layers is not None and layers < count:
        student = keep_layers(student, layer_map(layers, count))
    basis = torch.eye(student.config.hidden_size)
    return student, Alignment.whole(len(student.config.layers), basis)


def distil_student(
    student: nn.Module,
    alignment: Alignment,
    lessons: Lessons,
    settings: DistillSettings | None,
    method: Method,
    *,
    seed: int,
    folder: Path,
    checkpoints: Path,
) -> Curves:
    """Trains the student through the method's phases (None: not at all); saves it and its alignment into `folder`."""
    with torch.no_grad():
        start = validate(student, lessons)
    phases = () if settings is None else method.phases(student, lessons, settings, alignment, seed)
    transfer, task = run_phases(student, lessons, phases, checkpoints)
    save_student(student.cpu(), folder)
    write_alignment(alignment, folder)
    return Curves(start, tuple(transfer), tuple(task))


def _config(shape: StudentShape, teacher: Any, lessons: Lessons) -> MobileBertConfig:
    config = student_config(shape, teacher.config, lessons.texts.pad_id)
    return replace(config, by_word=lessons.goal.task.by_word)


def start_batches(texts: TokenizedTexts, seed: int) -> list[Batch]:
    """The sentences that the closed-form start looks at, drawn by the seed."""
    batches = shuffled_batches(texts.lengths, START_BATCH, f"start-{seed}")[: -(-START_SENTENCES // START_BATCH)]
    return [texts.batch(indices) for indices in batches]
