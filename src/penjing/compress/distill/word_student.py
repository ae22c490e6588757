"""A fresh BiLSTM: the words that matter, their tokenizer, and a student whose tables begin with their vectors.

Left out: reading the files of vectors (`word_vectors.py`) and how the student learns (`methods/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.bilstm import BiLstmClassifier, BiLstmConfig, fill_tables
from ..word_tokenizer import SPECIAL, choose_words, count_words, write_word_tokenizer
from ..word_vectors import read_word_vectors
from .alignment import Alignment

TABLE_NAME = "words.npz"


class WordStudentShape(Protocol):
    """The student's section of a recipe; `words` is the most that the vocabulary holds."""

    @property
    def words(self) -> int: ...
    @property
    def channels(self) -> str: ...
    @property
    def embedding_size(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def classifier_size(self) -> int: ...
    @property
    def dropout(self) -> float: ...


@dataclass(frozen=True)
class WordTable:
    """Of every id of the vocabulary: the vector [vocabulary, size] and whether it has one [vocabulary]."""

    vectors: NDArray[np.float32]
    known: NDArray[np.bool_]


def choose_vocabulary(
    shape: WordStudentShape, train: Sequence[str], corpus: Sequence[str], vectors: Path | None, folder: Path
) -> WordTable:
    """Writes the tokenizer of the words that matter into `folder` and returns what the tables begin with.

    Raises DataError for word vectors that cannot be read, do not fit or know none of the words.
    """
    own, more = count_words(train), count_words(corpus)
    candidates = sorted({*own, *more})
    size = shape.embedding_size
    rows, known = np.zeros((len(candidates), size), np.float32), np.zeros(len(candidates), bool)
    if vectors is not None:
        rows, known = read_word_vectors(vectors, candidates, size)
    place = {word: index for index, word in enumerate(candidates)}
    words = choose_words(own, more, lambda word: bool(known[place[word]]), shape.words)
    write_word_tokenizer(words, folder)
    chosen, special = [place[word] for word in words], len(SPECIAL)
    return WordTable(
        np.concatenate([np.zeros((special, size), np.float32), rows[chosen]]),
        np.concatenate([np.zeros(special, bool), known[chosen]]),
    )


def write_word_table(table: WordTable, folder: Path) -> None:
    """Into `words.npz`."""
    np.savez(folder / TABLE_NAME, vectors=table.vectors, known=table.known)


def read_word_table(folder: Path) -> WordTable:
    """What `write_word_table` wrote."""
    with np.load(folder / TABLE_NAME, allow_pickle=False) as arrays:
        return WordTable(arrays["vectors"], arrays["known"])


def start_word_student(
    shape: WordStudentShape, table: WordTable, outputs: int, *, siamese: bool, seed: int
) -> tuple[BiLstmClassifier, Alignment]:
    """A student that knows its words and nothing else; it has no layers that could answer to the teacher's."""
    torch.manual_seed(seed)
    config = BiLstmConfig(
        len(table.known), shape.embedding_size, shape.channels, shape.hidden_size, shape.classifier_size,
        shape.dropout, siamese,
    )  # fmt: skip
    student = BiLstmClassifier(config, outputs).eval()
    fill_tables(student, torch.from_numpy(table.vectors), torch.from_numpy(table.known))
    return student, Alignment.whole(0, torch.eye(1))
