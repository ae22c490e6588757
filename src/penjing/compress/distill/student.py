"""A fresh student from its teacher: the shape from the recipe, the first weights, then the phases of a method.

A MobileBERT starts in closed form, as do two towers; a BERT is the teacher in our own form or some of its layers. Left
out: what a method asks of it (`methods/`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from ..models.bert import bert_from_teacher
from ..models.checkpoint import save_student
from ..models.closed_form import layer_map, regress
from ..models.from_teacher import start_from_teacher
from ..models.inverted import inverted_config, start_inverted, take_over_ends
from ..models.mobilebert import MobileBertClassifier, MobileBertConfig
from ..models.two_towers import TwoTowerClassifier, apart, side_by_side
from ..prune.apply import keep_layers
from ..prune.units import Encoder
from ..tokens import Batch, TokenizedTexts, shuffled_batches
from ..training import Evaluation
from .alignment import Alignment, write_alignment
from .lessons import DistillSettings, Lessons, validate
from .method import Method, run_phases
from .pace import within_minutes

START_SENTENCES = 1536
"""Texts that the closed-form start looks at; twice as many changed the start's accuracy by less than its noise."""
START_BATCH = 64
HEAD_RIDGE = 0.1
"""As much as `start_from_teacher` gives a head."""


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


@torch.no_grad()
def start_two_towers(
    shape: StudentShape, teacher: Any, lessons: Lessons, seed: int
) -> tuple[TwoTowerClassifier, Alignment]:
    """Two towers of this shape: the encoder starts from its teacher on texts alone, the head is fitted to what the
    teacher says of pairs. None of their layers answers to the teacher's, which read both texts together."""
    torch.manual_seed(seed)
    config, outputs = _config(shape, teacher, lessons), lessons.outputs.logits.shape[1]
    one, student = MobileBertClassifier(config, outputs), TwoTowerClassifier(config, outputs).eval()
    rows = _start_rows(lessons.texts, seed)
    pairs = [lessons.texts.batch(indices) for indices in rows]
    alone = [Batch(*apart(b.input_ids, b.attention_mask, b.token_type_ids, config.pad_id)) for b in pairs]
    start_from_teacher(one.eval(), teacher, alone)
    student.mobilebert = one.mobilebert
    vectors = [student.vectors(b.input_ids, b.attention_mask, b.token_type_ids) for b in alone]
    read = torch.cat([side_by_side(both) for both in vectors])
    said = torch.cat([lessons.outputs.logits_of(indices) for indices in rows]).float()
    weight, bias = regress(read, said, ridge=HEAD_RIDGE)
    student.classifier.weight.copy_(weight)
    student.classifier.bias.copy_(bias)
    return student, Alignment.whole(0, torch.eye(1))


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
    minutes: float | None = None,
) -> Curves:
    """Trains the student through the method's phases (None: not at all); saves it and its alignment into `folder`.

    With `minutes`, the phases are made as long as that in all.
    """
    with torch.no_grad():
        start = validate(student, lessons)
    phases = () if settings is None else method.phases(student, lessons, settings, alignment, seed)
    if minutes is not None:
        phases = within_minutes(phases, lessons, minutes, checkpoints)
    transfer, task = run_phases(student, lessons, phases, checkpoints)
    save_student(student.cpu(), folder)
    write_alignment(alignment, folder)
    return Curves(start, tuple(transfer), tuple(task))


def _config(shape: StudentShape, teacher: Any, lessons: Lessons) -> MobileBertConfig:
    config = student_config(shape, teacher.config, lessons.texts.pad_id)
    return replace(config, by_word=lessons.goal.task.by_word)


def start_batches(texts: TokenizedTexts, seed: int) -> list[Batch]:
    """The sentences that the closed-form start looks at, drawn by the seed."""
    return [texts.batch(indices) for indices in _start_rows(texts, seed)]


def _start_rows(texts: TokenizedTexts, seed: int) -> list[list[int]]:
    return shuffled_batches(texts.lengths, START_BATCH, f"start-{seed}")[: -(-START_SENTENCES // START_BATCH)]
