"""Words that a masked language model would put in a word's place.

The sentence with the word masked is text A, the full sentence text B (TinyBERT, arXiv 1909.10351, algorithm 1), so that
what the model proposes stays near the word. Only a word that is one piece for the tokenizer can be proposed for. Left
out: words beyond the model's positions, and half precision, whose rounding would depend on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from ..masked_lm import OpenedLm
from ..tokens import sorted_batches
from ..training import device_of
from .words import Span, is_replaceable

PROPOSALS = 15
BATCH = 64


@dataclass(frozen=True)
class Place:
    """A word that may be replaced; `piece` is its number among the text's tokens, None for a word of several."""

    span: Span
    piece: int | None


@dataclass(frozen=True)
class TokenizedText:
    """Token ids without special ones, and the places of the words that may be replaced."""

    ids: tuple[int, ...]
    places: tuple[Place, ...]


class Proposer:
    """Asks one model. The same text gets the same proposals whatever it is asked with, up to float32's rounding."""

    def __init__(self, opened: OpenedLm) -> None:
        self.model = opened.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        own = opened.tokenizer
        self.tokenizer = Tokenizer.from_str(own.backend_tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.first, self.separator, self.mask, self.pad = (
            own.cls_token_id, own.sep_token_id, own.mask_token_id, own.pad_token_id
        )  # fmt: skip
        config = self.model.config
        self.most_pieces: int = (config.max_position_embeddings - 3) // 2
        self.types = config.type_vocab_size
        names = [self.tokenizer.id_to_token(i) or "" for i in range(config.vocab_size)]
        self.names = names
        # isalpha also leaves out the pieces that go on a word (##), special tokens and punctuation.
        self.allowed = torch.tensor([name.isalpha() and i != own.unk_token_id for i, name in enumerate(names)])

    def tokenize(self, text: str) -> TokenizedText:
        """The places are the tokenizer's own words, so that pieces and words cannot get out of step."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        pieces: dict[int, list[int]] = {}
        for piece, word in enumerate(encoding.word_ids):
            if word is not None:
                pieces.setdefault(word, []).append(piece)
        places = []
        for own in pieces.values():
            start, stop = encoding.offsets[own[0]][0], encoding.offsets[own[-1]][1]
            if is_replaceable(text[start:stop]):
                places.append(Place((start, stop), own[0] if len(own) == 1 else None))
        return TokenizedText(tuple(encoding.ids), tuple(places))

    def propose(self, texts: Sequence[TokenizedText]) -> dict[tuple[int, int], tuple[str, ...]]:
        """Text's number and piece's number -> at most PROPOSALS words, in the order of their ids.

        In that order a rounding that swaps two of them changes nothing.
        """
        asked = [
            (number, place.piece)
            for number, text in enumerate(texts)
            for place in text.places
            if place.piece is not None and place.piece < self.most_pieces
        ]
        lengths = np.array([self._length(texts[number]) for number, _ in asked], np.int64)
        found: dict[tuple[int, int], tuple[str, ...]] = {}
        for indices in sorted_batches(lengths, BATCH):
            rows = [self._row(texts[asked[i][0]].ids, asked[i][1]) for i in indices]
            masked = [asked[i][1] + 1 for i in indices]
            for i, best in zip(indices, self._best(rows, masked), strict=True):
                found[asked[i]] = tuple(self.names[word] for word in best)
        return found

    def _length(self, text: TokenizedText) -> int:
        return 2 * min(len(text.ids), self.most_pieces) + 3

    def _row(self, ids: tuple[int, ...], piece: int) -> list[int]:
        whole = list(ids[: self.most_pieces])
        masked = [*whole[:piece], self.mask, *whole[piece + 1 :]]
        return [self.first, *masked, self.separator, *whole, self.separator]

    @torch.no_grad()
    def _best(self, rows: list[list[int]], masked: list[int]) -> list[list[int]]:
        ids = _padded(rows, self.pad)
        lengths = np.array([len(row) for row in rows])[:, None]
        positions = np.arange(ids.shape[1])[None]
        second = (positions >= (lengths + 1) // 2) & (positions < lengths)  # [CLS] A [SEP] is one more than B [SEP]
        asked = positions == np.array(masked)[:, None]
        types = second if self.types > 1 else np.zeros_like(second)
        inputs = (ids, (positions < lengths).astype(np.int64), types.astype(np.int64), asked)
        device = device_of(self.model)
        logits: Tensor = self.model(*(torch.from_numpy(x).to(device) for x in inputs)).float().cpu()
        count = min(PROPOSALS, int(self.allowed.sum()))
        best = logits.masked_fill(~self.allowed, -torch.inf).topk(count).indices
        return [sorted(row) for row in best.tolist()]


def _padded(rows: list[list[int]], pad: int) -> NDArray[np.int64]:
    ids = np.full((len(rows), max(map(len, rows))), pad, np.int64)
    for row, own in zip(ids, rows, strict=True):
        row[: len(own)] = own
    return ids
