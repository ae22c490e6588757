"""A tiny fine-tuned teacher, its texts and what it says of them, for tests of what students learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tiny import make_sentences

from penjing.compress.data import Split
from penjing.compress.distill.lessons import Lessons
from penjing.compress.distill.teacher_cache import Needs, read_teacher_outputs, write_teacher_outputs
from penjing.compress.tasks import make_goal, one_label
from penjing.compress.teacher import fine_tune_teacher, load_teacher
from penjing.compress.tokens import tokenize
from penjing.pipeline.sections import Teacher
from penjing.pipeline.student_sections import Student

SHAPE = Student(
    layers=2, hidden_size=32, bottleneck_size=16, embedding_size=16, heads=4, intermediate_size=16, feed_forwards=2
)
EVERYTHING = Needs(hidden=True, embeddings=True, attention="scores", relations=True)


@dataclass(frozen=True)
class School:
    """A fine-tuned teacher, its texts and what it said of them."""

    teacher: Any
    lessons: Lessons
    curve: list[Any]


def make_school(encoder: Path, folder: Path) -> School:
    """In `folder`: everything is kept of the teacher that any method needs."""
    data, held_out = (Split(tuple(t), tuple(y)) for t, y in (make_sentences(320, 1), make_sentences(120, 2)))
    goal = make_goal(one_label.TASK, ("negative", "positive"), data.labels)
    settings = Teacher(model=str(encoder), epochs=3, batch_size=16, learning_rate=3e-3)
    (folder / "checkpoints").mkdir()
    curve = fine_tune_teacher(
        settings, goal, data, held_out,
        max_length=24, seed=1, folder=folder / "teacher", checkpoints=folder / "checkpoints",
    )  # fmt: skip
    teacher = load_teacher(folder / "teacher")
    tokens = tokenize(data.texts, folder / "teacher", 24)
    write_teacher_outputs(teacher, tokens, folder / "outputs", layers=(0, 1), needs=EVERYTHING)
    outputs = read_teacher_outputs(folder / "outputs", tokens)
    validation = tokenize(held_out.texts, folder / "teacher", 24)
    aligned = np.ones(len(data.texts), bool)
    lessons = Lessons(tokens, outputs, data.labels, validation, held_out.labels, aligned, goal=goal)
    return School(teacher, lessons, curve)
