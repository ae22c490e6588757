"""Prompted masked LMs that learn from few texts and then score any text: one model a pattern, together an ensemble.

Left out: what is read at the mask and how it is learnt (`pet.py`, `contrastive.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import Split
from ..masked_lm import MaskedLm, OpenedLm, open_masked_lm
from ..tokens import Batch, sorted_batches
from ..training import TrainingPlan, device_of, train
from .patterns import read_pattern
from .prompts import Prompted, add_prompts, prompt_texts

BATCH, WARMUP = 64, 0.1


class PromptSettings(Protocol):
    """What the section `teacher.few_shot` says of the training with prompts."""

    @property
    def steps(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_size(self) -> int: ...


@dataclass(frozen=True)
class Prompting:
    """`read(model, batch, asked)` is what is taken from the mask, [batch, size]; `loss(read, labels)` teaches it;
    `score(read, known, labels)` are the logits [batch, classes], `known` being what is read of the labelled texts."""

    read: Callable[[MaskedLm, Batch, Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor, Tensor], Tensor]


def ensemble_logits(
    model: str,
    patterns: Sequence[str],
    make: Callable[[OpenedLm], Prompting],
    settings: PromptSettings,
    labelled: Split,
    texts: Sequence[str],
    *,
    max_length: int,
    seed: int,
    checkpoints: Path,
) -> NDArray[np.float32]:
    """The mean over `patterns` of the logits of `texts`, [texts, classes]; each pattern trains the masked LM `model`
    anew on `labelled`."""
    scores = []
    for number, pattern in enumerate(patterns):
        folder = checkpoints / f"pattern-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        opened, parsed = open_masked_lm(model), read_pattern(pattern)
        known, asked = (prompt_texts(opened, parsed, part, max_length) for part in (labelled.texts, texts))
        add_prompts(opened.model, parsed.prompts)
        reader, labels = Reader(opened.model, make(opened)), torch.tensor(labelled.labels)
        train_prompted(reader, settings, known, labels, seed, folder)
        found = read_all(reader, known)
        scores.append(reader.prompting.score(read_all(reader, asked), found, labels).numpy())
    mean: NDArray[np.float32] = np.mean(scores, axis=0, dtype=np.float32)
    return mean


class Reader(nn.Module):
    """A masked LM with what is read at its mask: ids, mask, types, asked [batch, sequence] to [batch, size]."""

    def __init__(self, model: MaskedLm, prompting: Prompting) -> None:
        super().__init__()
        self.model, self.prompting = model, prompting

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor, asked: Tensor) -> Tensor:
        return self.prompting.read(self.model, Batch(ids, mask, types), asked)

    @staticmethod
    def of_texts(reader: nn.Module, texts: Prompted, indices: list[int]) -> Tensor:
        """What `reader`, wrapped or not, reads of some texts, on its device."""
        batch, asked = texts.batch(indices)
        parts = (batch.input_ids, batch.attention_mask, batch.token_type_ids, asked)
        found: Tensor = reader(*(part.to(device_of(reader)) for part in parts))
        return found


def train_prompted(
    reader: Reader, settings: PromptSettings, texts: Prompted, labels: Tensor, seed: int, checkpoints: Path
) -> None:
    """Trains all of the model in place, for `settings.steps`: with so few texts there are none to stop by.

    The head's bias stays. Not every method reads it, and processes that train together must share what they move.
    """

    def step_loss(wrapped: nn.Module, indices: list[int]) -> Tensor:
        read = Reader.of_texts(wrapped, texts, indices)
        return reader.prompting.loss(read, labels[indices].to(read.device))

    count = len(texts.texts)
    plan = TrainingPlan(
        settings.steps / -(-count // settings.batch_size), settings.batch_size, settings.learning_rate, WARMUP, 1, seed,
        keep_best=False,
    )  # fmt: skip
    train(
        reader, texts.texts.lengths, step_loss, lambda: 0.0, plan, checkpoints, "prompts",
        lambda name: 0.0 if name.endswith("predictions.bias") else 1.0,
    )  # fmt: skip


@torch.no_grad()
def read_all(reader: Reader, texts: Prompted) -> Tensor:
    """What is read of each text, [texts, size], on the CPU."""
    found: dict[int, Tensor] = {}
    for indices in sorted_batches(texts.texts.lengths, BATCH):
        found.update(zip(indices, Reader.of_texts(reader, texts, indices).cpu(), strict=True))
    return torch.stack([found[i] for i in range(len(texts.texts))])
