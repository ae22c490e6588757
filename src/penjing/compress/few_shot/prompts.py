"""Texts put into a pattern, as token ids: of a text that is too long the end is cut, never the pattern.

Left out: pairs of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from ..masked_lm import MaskedLm, OpenedLm
from ..tokens import Batch, TokenizedTexts
from .patterns import MASK, PROMPT, TEXT, Pattern


@dataclass(frozen=True)
class Prompted:
    """Texts in a pattern; `places` [texts] is where the mask of each stands."""

    texts: TokenizedTexts
    places: NDArray[np.int64]

    def batch(self, indices: list[int]) -> tuple[Batch, Tensor]:
        """A batch, and which of its tokens are asked (bool) [batch, sequence]: one a row."""
        batch = self.texts.batch(indices)
        asked = torch.zeros_like(batch.input_ids, dtype=torch.bool)
        asked[torch.arange(len(indices)), torch.from_numpy(self.places[indices])] = True
        return batch, asked


def prompt_texts(opened: OpenedLm, pattern: Pattern, texts: Sequence[str], max_length: int) -> Prompted:
    """[CLS], the pattern's parts, [SEP]. A text keeps `max_length` - 2 tokens, as without a pattern, if the model has
    positions for so many. Learnt vectors have the ids from the vocabulary's size on.

    Raises TrainingError when the pattern leaves no room for a text.
    """
    tokenizer, config = opened.tokenizer, opened.model.config
    parts = _part_ids(tokenizer, pattern, config.vocab_size)
    fixed = sum(len(part) for part in parts if part is not None) + 2
    room = min(max_length - 2, config.max_position_embeddings - fixed)
    if room < 1:
        raise TrainingError(
            f"the pattern {' '.join(pattern.parts)!r} has {fixed} tokens and the teacher"
            f" {config.max_position_embeddings} positions, so no text fits: shorten the pattern"
        )
    own = _ids(tokenizer, texts)
    ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)
    rows = [_row(parts, ids[:room], ends) for ids in own]
    before = parts[: pattern.parts.index(MASK)]
    places = [1 + sum(min(room, len(ids)) if part is None else len(part) for part in before) for ids in own]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    joined = np.concatenate([np.zeros(0, np.int32), *(np.asarray(row, np.int32) for row in rows)])
    return Prompted(TokenizedTexts(joined, offsets, tokenizer.pad_token_id or 0), np.asarray(places, np.int64))


@torch.no_grad()
def add_prompts(model: MaskedLm, count: int) -> None:
    """Gives the word table `count` rows more, the vectors that are learnt. Each starts as the mean word."""
    if count:
        table = model.bert.embeddings.word_embeddings
        rows = torch.cat([table.weight, table.weight.mean(0, keepdim=True).repeat(count, 1)])
        wider = nn.Embedding(len(rows), rows.shape[1], padding_idx=table.padding_idx, _weight=rows)
        model.bert.embeddings.word_embeddings = wider


def _part_ids(tokenizer: Any, pattern: Pattern, vocabulary: int) -> list[list[int] | None]:
    """Of each part; None where the text comes."""
    found: list[list[int] | None] = []
    prompts = 0
    for part in pattern.parts:
        if part == PROMPT:
            found.append([vocabulary + prompts])
            prompts += 1
        elif part == MASK:
            found.append([tokenizer.mask_token_id])
        else:
            found.append(None if part == TEXT else _ids(tokenizer, [part])[0])
    return found


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    return ids


def _row(parts: Sequence[list[int] | None], text: list[int], ends: tuple[int, int]) -> list[int]:
    first, last = ends
    return [first, *(token for part in parts for token in (text if part is None else part)), last]
