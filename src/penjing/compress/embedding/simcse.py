"""SimCSE: an encoder learns to find a sentence's other view among a batch (Gao et al. 2021, arXiv 2104.08821).

Unsupervised, the other view is the sentence itself under another dropout; supervised, it is a paraphrase, with a hard
negative, such as a contradiction, where there is one. The best evaluation on held-out pairs is kept: selecting often is
part of the published result. Batches are drawn at random, as published, not by length. Left out: the losses
(`contrastive.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..tokens import TokenizedTexts, tokenize
from ..training import Evaluation, PlanSettings, device_of, plan_of, train
from .contrastive import contrastive_loss


class SimCseSettings(PlanSettings, Protocol):
    """How to train."""

    @property
    def max_length(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def hard_negative_weight(self) -> float: ...


def train_simcse(
    model: nn.Module,
    groups: Sequence[Sequence[str]],
    tokenizer_folder: Path,
    settings: SimCseSettings,
    evaluate: Callable[[], float],
    *,
    seed: int,
    checkpoints: Path,
) -> list[Evaluation]:
    """Trains in place. `groups` has one row a sentence: it alone (unsupervised), with its positive, or with a hard
    negative too. Resumes from `checkpoints`."""
    columns = list(zip(*groups, strict=True))
    texts = tokenize([text for column in columns for text in column], tokenizer_folder, settings.max_length)
    plan = plan_of(settings, seed)
    step_loss = simcse_loss(texts, len(groups), len(columns), settings)
    # Equal lengths keep the shuffled order: texts of like length would make up batches of odd neighbours.
    return train(model, np.ones(len(groups), np.int64), step_loss, evaluate, plan, checkpoints, "simcse")


def simcse_loss(
    texts: TokenizedTexts, count: int, columns: int, settings: SimCseSettings
) -> Callable[[nn.Module, list[int]], Tensor]:
    """The loss of a batch of rows; `texts` holds `count` of the first column, then those of the second and third."""
    offsets = (0, 0) if columns == 1 else tuple(column * count for column in range(columns))

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        # All views in one pass: dropout differs from row to row.
        batch = texts.batch([offset + i for offset in offsets for i in indices]).to(device_of(model))
        vectors: Tensor = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        views = torch.split(vectors.float(), len(indices))
        return contrastive_loss(
            views[0], views[1], temperature=settings.temperature, negatives=views[2] if columns == 3 else None,
            hard_negative_weight=settings.hard_negative_weight,
        )  # fmt: skip

    return step_loss
