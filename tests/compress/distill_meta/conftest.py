"""A tiny meta-teacher of three domains, trained once a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import make_sentences

from penjing.compress.data import Split
from penjing.compress.distill.meta.teacher import fine_tune_meta_teacher
from penjing.compress.tasks.one_label import TASK
from penjing.compress.tasks.task import make_goal

LABELS, DOMAINS = ("negative", "positive"), ("books", "films", "plays")
LENGTH = 16


@dataclass(frozen=True)
class TeacherSettings:
    """As a recipe's section."""

    model: str
    epochs: int = 4
    batch_size: int = 16
    learning_rate: float = 3e-3
    warmup: float = 0.1
    evaluations_per_epoch: int = 1


@dataclass(frozen=True)
class MetaSchool:
    """The meta-teacher's folder, the accuracy it got to, and its texts."""

    teacher: Path
    accuracy: float
    train: Split
    held_out: Split


@pytest.fixture(scope="session")
def meta_school(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> MetaSchool:
    """241 texts, so that the last batch holds a single one."""
    folder, checkpoints = tmp_path_factory.mktemp("meta"), tmp_path_factory.mktemp("checkpoints")
    train, held_out = _split(241, 1), _split(60, 2)
    history = fine_tune_meta_teacher(
        TeacherSettings(str(tiny_encoder)), make_goal(TASK, LABELS, train.labels), DOMAINS, train, held_out,
        max_length=LENGTH, seed=1, folder=folder, checkpoints=checkpoints,
    )  # fmt: skip
    return MetaSchool(folder, max(point.metric for point in history), train, held_out)


def _split(count: int, seed: int) -> Split:
    texts, labels = make_sentences(count, seed)
    return Split(tuple(texts), tuple(labels), tuple(i % len(DOMAINS) for i in range(count)))
