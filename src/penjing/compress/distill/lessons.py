"""What a student learns from, and how well it does on the validation text.

Left out: the losses, which are each method's own (`methods/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..tasks import one_label
from ..tasks.task import Goal, Targets, evaluate, make_goal
from ..tokens import Batch, TokenizedTexts
from ..training import PlanSettings, device_of
from .meta.knowledge import MetaKnowledge
from .teacher_cache import Lesson, TeacherOutputs

ONE_LABEL = make_goal(one_label.TASK, (), ())


class DistillSettings(PlanSettings, Protocol):
    """How long and with which weights: the `distill` section of a recipe, or `prune.recovery`."""

    @property
    def transfer_epochs(self) -> int: ...
    @property
    def transfer_learning_rate(self) -> float: ...
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
    def statistics(self) -> bool: ...


@dataclass(frozen=True)
class Lessons:
    """Everything the student learns from. Texts beyond `len(labels)` are the corpus and carry no label.

    `aligned` [texts] is False where the student's tokens are not the teacher's (a cut vocabulary): of those texts only
    the logits are learnt. `meta` is what a meta-teacher knows besides, `goal` the task.
    """

    texts: TokenizedTexts
    outputs: TeacherOutputs
    labels: tuple[Any, ...]
    validation: TokenizedTexts
    validation_labels: tuple[Any, ...]
    aligned: NDArray[np.bool_]
    meta: MetaKnowledge | None = None
    goal: Goal = ONE_LABEL

    @cached_property
    def targets(self) -> Targets:
        """Of the labelled texts, [rows] or [rows, outputs]; their rows come first."""
        return self.goal.task.targets(self.labels, self.goal, self.texts)


@dataclass(frozen=True)
class Taught:
    """One batch on the student's device: its texts, what the teacher said of them, and the mask of the real tokens
    that both read alike, [batch, sequence]."""

    batch: Batch
    lesson: Lesson
    mask: Tensor


def taught(lessons: Lessons, indices: list[int], model: nn.Module) -> Taught:
    """The texts at `indices`, with all that was kept of the teacher."""
    device = device_of(model)
    batch = lessons.texts.batch(indices).to(device)
    lesson = lessons.outputs.lesson(indices, batch.input_ids.shape[1], lessons.aligned).to(device)
    aligned = torch.from_numpy(lessons.aligned[indices]).to(device)
    return Taught(batch, lesson, batch.attention_mask * aligned[:, None])


def validate(student: nn.Module, lessons: Lessons) -> float:
    """The goal's metric on the validation text."""

    def logits_of(batch: Batch) -> Tensor:
        own = batch.to(device_of(student))
        logits: Tensor = student(own.input_ids, own.attention_mask, own.token_type_ids)
        return logits

    return evaluate(lessons.goal, logits_of, lessons.validation, lessons.validation_labels)
