"""Texts as token ids: tokenized once, kept ragged, batched by length.

Leaves out what a text means (`data.py`) and the device's tokenizer (`penjing.runtime`), which reads the same
`tokenizer.json` with the same library.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

CHUNK_BATCHES = 100
"""Batches are cut from chunks of this many batches sorted by length: little padding, yet shuffled."""


@dataclass(frozen=True)
class Batch:
    """Token ids, mask and types, each [batch, sequence] of int64."""

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(self.input_ids.to(device), self.attention_mask.to(device), self.token_type_ids.to(device))


@dataclass(frozen=True)
class TokenizedTexts:
    """`ids` [all tokens] int32; text i is `ids[offsets[i]:offsets[i + 1]]`."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    pad_id: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, [texts]."""
        return np.diff(self.offsets)

    def batch(self, indices: Sequence[int]) -> Batch:
        """The texts at `indices`, padded to the longest of them."""
        longest = max(int(self.offsets[i + 1] - self.offsets[i]) for i in indices)
        ids = np.full((len(indices), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, i in enumerate(indices):
            tokens = self.ids[self.offsets[i] : self.offsets[i + 1]]
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return Batch(torch.from_numpy(ids), torch.from_numpy(mask), torch.zeros(ids.shape, dtype=torch.int64))


def tokenize(texts: Sequence[str], tokenizer_folder: Path, max_length: int) -> TokenizedTexts:
    """Ids with special tokens, cut to `max_length`, from the folder's `tokenizer.json`."""
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    pad_id = (tokenizer.padding or {}).get("pad_id")
    if pad_id is None:
        pad_id = next((i for i in map(tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    ids = [np.asarray(encoding.ids, dtype=np.int32) for encoding in tokenizer.encode_batch(list(texts))]
    offsets = np.cumsum([0, *(len(i) for i in ids)], dtype=np.int64)
    return TokenizedTexts(np.concatenate(ids) if ids else np.zeros(0, np.int32), offsets, pad_id)


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
