"""What a task is: its columns, targets, losses and metric, and what the device does after the logits.

A task is one file beside this one. Texts have one row of targets and logits each, or, where words are decided, one for
each of their words (`tokens.TokenizedTexts.rows`). Left out: two texts together, which every task of whole texts takes
(`data.text_pair`), and what becomes of logits (`runtime/answers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...runtime.answers import Postprocess, decide, differ
from ...runtime.metrics import measure
from ..tokens import Batch, TokenizedTexts, sorted_batches

Gold = Any
"""A text's right decision, as `runtime.answers.decide` gives it: a label's number, several, a number, or spans."""
Targets = NDArray[Any]
"""[rows] of label numbers, or [rows, outputs] of floats."""
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Task:
    """`kind` is its word in a recipe, `problem` that of transformers for the same head; the first of `metrics` is taken
    unless the recipe names another.

    `read(text, label, labels, separator)` makes a text and its gold from two cells, and raises ValueError that says
    what is wrong with the label. `named(gold)` are the numbers of the labels that training has to have seen;
    `check(golds, labels)` raises ValueError for training text that teaches nothing.
    """

    kind: str
    problem: str
    metrics: tuple[str, ...]
    read: Callable[[Any, Any, Sequence[str], str], tuple[str, Gold]]
    named: Callable[[Gold], Sequence[int]]
    check: Callable[[Sequence[Gold], Sequence[str]], None]
    outputs: Callable[[Sequence[str]], tuple[str, ...]]
    after: Callable[[Sequence[Gold]], Postprocess]
    targets: Callable[[Sequence[Gold], Goal, TokenizedTexts], Targets]
    hard_loss: Callable[[Tensor, Tensor], Tensor]
    soft_loss: Callable[[Tensor, Tensor, float], Tensor]
    by_word: bool = False


@dataclass(frozen=True)
class Goal:
    """A task with one data set's outputs (their names in the order of the logits), its way after the logits, and the
    metric that counts."""

    task: Task
    outputs: tuple[str, ...]
    after: Postprocess
    metric: str

    def decisions(self, logits: Sequence[Any], texts: TokenizedTexts) -> list[Any]:
        """What the device would decide; `logits` are each text's, [outputs] or [words, outputs]."""
        return [decide(self.after, self.outputs, row, texts.words_of(i)) for i, row in enumerate(logits)]

    def value(self, decisions: Sequence[Any], gold: Sequence[Gold]) -> float:
        """The metric."""
        return measure(self.metric, decisions, gold).value

    def agreed(self, decisions: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """The decisions that two models share; None, which is never right, where they part."""
        pairs = zip(decisions, others, strict=True)
        return [None if differ(self.after, one, other) else one for one, other in pairs]


def make_goal(task: Task, labels: Sequence[str], golds: Sequence[Gold], metric: str | None = None) -> Goal:
    """The goal of a recipe's labels and the gold of its training text."""
    return Goal(task, task.outputs(labels), task.after(golds), metric or task.metrics[0])


@torch.no_grad()
def text_logits(logits_of: Callable[[Batch], Tensor], texts: TokenizedTexts) -> list[NDArray[np.float32]]:
    """Each text's logits, [outputs] or [words, outputs]. `logits_of(batch)` is what a model gives."""
    found: dict[int, NDArray[np.float32]] = {}
    for indices in sorted_batches(texts.lengths, EVALUATION_BATCH):
        batch = texts.batch(indices)
        rows = batch.rows_of(logits_of(batch).float().cpu()).numpy()
        found.update(zip(indices, texts.split_rows(rows, indices), strict=True))
    return [found[i] for i in range(len(texts))]


def evaluate(goal: Goal, logits_of: Callable[[Batch], Tensor], texts: TokenizedTexts, gold: Sequence[Gold]) -> float:
    """The goal's metric of a model on `texts`."""
    return goal.value(goal.decisions(text_logits(logits_of, texts), texts), gold)
