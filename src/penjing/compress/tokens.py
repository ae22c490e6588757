"""Texts as token ids: tokenized once, kept ragged, batched by length.

Leaves out what a text means (`data.py`) and the device's tokenizer (`penjing.runtime`), which reads the same
`tokenizer.json` with the same library.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from ..runtime.spans import Word
from ..runtime.tokenizer import words_of

CHUNK_BATCHES = 100
"""Batches are cut from chunks of this many batches sorted by length: little padding, yet shuffled."""


@dataclass(frozen=True)
class Batch:
    """Token ids, mask and types, each [batch, sequence] of int64.

    Where words are decided, `words` are the row and the first token of each, [words, 2].
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    words: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        words = None if self.words is None else self.words.to(device)
        return Batch(self.input_ids.to(device), self.attention_mask.to(device), self.token_type_ids.to(device), words)

    def rows_of(self, logits: Tensor) -> Tensor:
        """A model's logits, one row a text or a word, [rows, outputs]: of [batch, sequence, outputs] those of words."""
        return logits if self.words is None else logits[self.words[:, 0], self.words[:, 1]]

    def read_by_head(self, states: Tensor) -> Tensor:
        """The states that the head makes logits of: those of [CLS], or of each word; [rows, hidden]."""
        return states[:, 0] if self.words is None else self.rows_of(states)


@dataclass(frozen=True)
class TokenizedTexts:
    """`ids` [all tokens] int32; text i is `ids[offsets[i]:offsets[i + 1]]`. `types` [all tokens] where texts are pairs.

    Where words are decided, `words` [all words, 3] are the first token, start and end of each, and text i has those
    from `word_offsets[i]` on.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    pad_id: int
    types: NDArray[np.int8] | None = None
    words: NDArray[np.int32] | None = None
    word_offsets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, [texts]."""
        return np.diff(self.offsets)

    @property
    def row_offsets(self) -> NDArray[np.int64]:
        """Text i has the rows of logits and targets from `row_offsets[i]` on: one, or one a word."""
        return np.arange(len(self) + 1) if self.word_offsets is None else self.word_offsets

    def rows(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """The rows of the texts at `indices`, in that order."""
        return np.asarray(indices, np.int64) if self.word_offsets is None else rows_at(self.word_offsets, indices)

    def split_rows(self, values: NDArray[np.float32], indices: Sequence[int]) -> list[NDArray[np.float32]]:
        """The rows of each text: [outputs], or [words, outputs]. `values` has those of `indices`, in that order."""
        if self.word_offsets is None:
            return list(values)
        counts = [int(self.word_offsets[i + 1] - self.word_offsets[i]) for i in indices]
        return np.split(values, np.cumsum(counts)[:-1])

    def words_of(self, i: int) -> tuple[Word, ...]:
        """The words of text i, as the device finds them; none where texts are decided as a whole."""
        if self.words is None or self.word_offsets is None:
            return ()
        rows = self.words[self.word_offsets[i] : self.word_offsets[i + 1]].tolist()
        return tuple((token, start, end) for token, start, end in rows)

    def batch(self, indices: Sequence[int]) -> Batch:
        """The texts at `indices`, padded to the longest of them."""
        longest = max(int(self.offsets[i + 1] - self.offsets[i]) for i in indices)
        ids = np.full((len(indices), longest), self.pad_id, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for row, i in enumerate(indices):
            tokens = self.ids[self.offsets[i] : self.offsets[i + 1]]
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
            if self.types is not None:
                types[row, : len(tokens)] = self.types[self.offsets[i] : self.offsets[i + 1]]
        return Batch(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(types), self._places(indices))

    def _places(self, indices: Sequence[int]) -> Tensor | None:
        if self.words is None or self.word_offsets is None:
            return None
        starts, ends = self.word_offsets[:-1], self.word_offsets[1:]
        tokens = [self.words[starts[i] : ends[i], 0] for i in indices]
        rows = np.repeat(np.arange(len(indices)), [len(part) for part in tokens])
        return torch.from_numpy(np.stack([rows, np.concatenate(tokens)], axis=1).astype(np.int64))


def tokenize(
    texts: Sequence[str],
    tokenizer_folder: Path,
    max_length: int,
    pairs: Sequence[str] | None = None,
    *,
    words: bool = False,
) -> TokenizedTexts:
    """Ids with special tokens, cut to `max_length`, from the folder's `tokenizer.json`.

    With `pairs`, each text and its pair are in one row: [CLS] a [SEP] b [SEP], of types 0 and 1. `words` finds each
    text's words.
    """
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    pad_id = (tokenizer.padding or {}).get("pad_id")
    if pad_id is None:
        pad_id = next((i for i in map(tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    encodings = tokenizer.encode_batch(list(texts) if pairs is None else list(zip(texts, pairs, strict=True)))
    ids = [np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]
    offsets = np.cumsum([0, *(len(i) for i in ids)], dtype=np.int64)
    types = None if pairs is None else _joined([np.asarray(e.type_ids, np.int8) for e in encodings], np.int8)
    if not words:
        return TokenizedTexts(_joined(ids, np.int32), offsets, pad_id, types)
    found = [np.asarray(words_of(encoding), np.int32).reshape(-1, 3) for encoding in encodings]
    places = np.concatenate([np.zeros((0, 3), np.int32), *found])
    word_offsets = np.cumsum([0, *(len(part) for part in found)], dtype=np.int64)
    return TokenizedTexts(_joined(ids, np.int32), offsets, pad_id, types, places, word_offsets)


def _joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, kind), *parts])


def rows_at(offsets: NDArray[np.int64], indices: Sequence[int]) -> NDArray[np.int64]:
    """The rows `offsets[i]` to `offsets[i + 1]` of each i."""
    ranges = [np.arange(offsets[i], offsets[i + 1]) for i in indices]
    return np.concatenate([np.zeros(0, np.int64), *ranges])


def shuffled_batches(lengths: NDArray[np.int64], batch_size: int, seed: str) -> list[list[int]]:
    """Every index once, in batches of texts of about equal length, in an order that `seed` fixes."""
    source = random.Random(seed)
    order = list(range(len(lengths)))
    source.shuffle(order)
    batches = []
    for start in range(0, len(order), batch_size * CHUNK_BATCHES):
        chunk = sorted(order[start : start + batch_size * CHUNK_BATCHES], key=lambda i: int(lengths[i]))
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    source.shuffle(batches)
    return batches


def sorted_batches(lengths: NDArray[np.int64], batch_size: int) -> list[list[int]]:
    """Every index once, shortest texts first: for inference."""
    order = np.argsort(lengths, kind="stable").tolist()
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
