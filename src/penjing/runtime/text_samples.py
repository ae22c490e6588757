"""Texts as a detector's samples: token ids in float32, padded at the end to the detector's window.

float32 holds every id below 16,777,216 exactly, and the graph masks the padding itself. Left out: token types, pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tokenizer import TextTokenizer


@dataclass(frozen=True)
class TextScores:
    """Scores [n] of texts, and which of them were longer than the window, so that their end had no say."""

    scores: NDArray[np.float32]
    truncated: tuple[bool, ...]


def text_samples(tokenizer: TextTokenizer, texts: Sequence[str]) -> tuple[NDArray[np.float32], tuple[bool, ...]]:
    """Samples [n, window, 1], where the window is the tokenizer's `max_length`, and which texts were cut to it.

    Raises DataError for text that is no Unicode.
    """
    encoded = tokenizer.encode(texts)
    samples = np.full((len(texts), tokenizer.max_length, 1), tokenizer.pad_id, np.float32)
    ids = np.where(encoded.attention_mask == 1, encoded.input_ids, tokenizer.pad_id)
    samples[:, : ids.shape[1], 0] = ids
    return samples, encoded.truncated
