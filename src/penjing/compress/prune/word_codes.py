"""A narrower word table: a short code for each word, and one small matrix that widens codes again.

A low-rank factorisation in which a word counts as often as the calibration text uses it, and an error as much as the
logits feel its direction (after Hsu et al. 2022, arXiv 2207.00112, who weigh rows alone): in that metric a truncated
SVD is the best there is (Eckart and Young 1936). Left out: what a model does with the codes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..tokens import Batch

UNSEEN = 0.1
"""How often each word counts as used besides: words that the text does not hold must not vanish."""
SMALLEST = 1e-8
"""Directions that count less than this, relative to the strongest, count so much nevertheless: it is divided by."""


def word_counts(batches: Sequence[Batch], words: int) -> Tensor:
    """[words]: how often each is used, plus a little."""
    counts = torch.full((words,), UNSEEN, dtype=torch.float64)
    for batch in batches:
        counts += torch.bincount(batch.input_ids[batch.attention_mask.bool()].cpu(), minlength=words)
    return counts


def word_codes(rows: Tensor, weights: Tensor, metric: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Codes [words, size] and `back` [dense, size]: row i is nearly `back @ codes[i]`, and 0 stays 0.

    Least is the sum over words of weights[i] e' metric e, e being the error of rows [words, dense]; `metric` is
    symmetric, [dense, dense]. Nothing is lost at full size.
    """
    rows, metric = rows.double(), metric.double()
    strengths, axes = torch.linalg.eigh(metric)
    strengths = strengths.clamp_min(strengths.max() * SMALLEST)
    felt = (axes * strengths.sqrt()) @ axes.T
    seen = rows @ felt
    directions = torch.linalg.eigh(seen.T @ (seen * weights.double()[:, None])).eigenvectors.flip(1)[:, :size]
    back = (axes * strengths.rsqrt()) @ axes.T @ directions
    return (seen @ directions).float(), back.float()
