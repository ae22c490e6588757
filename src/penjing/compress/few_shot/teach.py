"""The three ways from few labelled texts to a teacher: a head on a frozen encoder, or prompts that label plain text.

A prompted model cannot be shipped: it reads a pattern beside each text. So it labels the texts, and an ordinary
classifier learns its logits (arXiv 2001.07676, section 3.2). Left out: what becomes of the teacher; it is as any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ...runtime.errors import DataError, TrainingError
from ..data import Split
from ..masked_lm import OpenedLm
from ..tasks.task import Goal
from ..teacher import TeacherSettings, fine_tune_teacher, load_encoder, read_config
from ..training import Evaluation
from .contrastive import DEFAULT_PATTERN, contrastive_prompts
from .head import make_head_teacher
from .pet import pattern_exploiting
from .prompting import Prompting, PromptSettings, ensemble_logits

FEWEST = 2


class FewShotSettings(PromptSettings, Protocol):
    """The section `teacher.few_shot` of a recipe. `words` are the classes' words by label."""

    @property
    def method(self) -> str: ...
    @property
    def patterns(self) -> tuple[str, ...]: ...
    @property
    def words(self) -> Mapping[str, str]: ...
    @property
    def temperature(self) -> float: ...


def check_few_shot(model: str, data: Split, labels: Sequence[str], max_length: int) -> None:
    """Raises DataError for a class with fewer than two texts, TrainingError for a teacher that is no BERT or has fewer
    positions than `max_length`: before anything is trained."""
    counts = Counter(data.labels)
    for number, label in enumerate(labels):
        if counts[number] < FEWEST:
            raise DataError(
                f"the training text has {counts[number]} of the label {label!r}, few-shot learning needs at least"
                f" {FEWEST}: add rows, or take the label out of task.labels"
            )
    kind = read_config(model).model_type
    if kind != "bert":
        raise TrainingError(
            f"teacher.few_shot is for BERT encoders, and {model!r} is a {kind} model: take a BERT, such as"
            " all-MiniLM-L6-v2, or leave few_shot out"
        )
    load_encoder(model, labels, max_length)


def prompting_of(settings: FewShotSettings, opened: OpenedLm, labels: Sequence[str]) -> Prompting:
    """The method's way with prompts. Raises TrainingError for words that do not fit."""
    if settings.method == "pet":
        return pattern_exploiting(opened.tokenizer, labels, settings.words)
    return contrastive_prompts(len(labels))


def teach_from_few(
    settings: FewShotSettings,
    teacher: TeacherSettings,
    goal: Goal,
    data: Split,
    plain: Sequence[str],
    held_out: Split,
    *,
    masked_lm: str,
    max_length: int,
    seed: int,
    folder: Path,
    checkpoints: Path,
) -> list[Evaluation]:
    """Makes the teacher in `folder` out of few labelled texts `data` and `plain` text; returns its curve.

    `masked_lm` is the encoder with a masked-LM head. The head of `method: head` uses neither it nor `plain`.
    """
    if settings.method == "head":
        return make_head_teacher(
            teacher.model, goal, data, held_out, max_length=max_length, seed=seed, folder=folder
        )  # fmt: skip
    texts = tuple(dict.fromkeys([*data.texts, *plain]))
    logits = ensemble_logits(
        masked_lm, settings.patterns or (DEFAULT_PATTERN,),
        lambda opened: prompting_of(settings, opened, goal.outputs), settings, data, texts,
        max_length=max_length, seed=seed, checkpoints=checkpoints,
    )  # fmt: skip
    wanted = np.asarray(logits / settings.temperature, np.float32)
    labelled = Split(texts, tuple(wanted.argmax(1).tolist()))
    return fine_tune_teacher(
        teacher, goal, labelled, held_out, max_length=max_length, seed=seed, folder=folder,
        checkpoints=checkpoints, wanted=wanted,
    )  # fmt: skip
