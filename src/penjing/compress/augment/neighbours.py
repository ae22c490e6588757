"""The words nearest to a word, by the cosine of their vectors. Left out: reading vectors (`word_vectors.py`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 15
MOST_VECTORS = 100_000
"""The first so many of a file, which are its most frequent words; as TinyBERT does."""


class UnitVectors:
    """Word vectors [words, size] of length one. A word that is not there is looked up in lower case."""

    def __init__(self, words: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.words = tuple(words[:MOST_VECTORS])
        rows = np.asarray(vectors[:MOST_VECTORS], np.float32)
        self.vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        self._rows = {word: row for row, word in reversed(list(enumerate(self.words)))}
        self._known: dict[int, tuple[str, ...]] = {}

    def row(self, word: str) -> int | None:
        """Where the word's vector is; None if there is none."""
        return self._rows.get(word, self._rows.get(word.lower()))

    def neighbours(self, word: str) -> tuple[str, ...]:
        """At most NEIGHBOURS words, nearest first: letters alone, and not the word itself in another case."""
        row = self.row(word)
        if row is None:
            return ()
        if row not in self._known:
            self._known[row] = self._nearest(row)
        return self._known[row]

    def _nearest(self, row: int) -> tuple[str, ...]:
        order = np.argsort(-(self.vectors @ self.vectors[row]), kind="stable")
        found: list[str] = []
        seen = {self.words[row].lower()}
        for other in order:
            word = self.words[other]
            if len(found) == NEIGHBOURS:
                break
            if word.isalpha() and word.lower() not in seen:
                seen.add(word.lower())
                found.append(word)
        return tuple(found)
