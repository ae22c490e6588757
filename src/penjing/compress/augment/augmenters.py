"""An augmentation by its name: rows of one text or two in, each row and its copies out.

Left out: reading rows and writing them (`pipeline/augmented.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..masked_lm import OpenedLm
from ..word_vectors import first_word_vectors
from .bilstm import Noise, Row, noisy_copies
from .neighbours import MOST_VECTORS, UnitVectors
from .parts_of_speech import cluster_tagger, english_tagger
from .proposals import Proposer
from .tinybert import Options, neighbour_options, replaced_copies, tinybert_options

Augment = Callable[[Sequence[Row]], list[list[Row]]]
"""Rows to each one's list: the row itself first."""

MASK = "[MASK]"


class AugmentSettings(Protocol):
    """The augmentation's section of a recipe."""

    @property
    def method(self) -> str: ...
    @property
    def copies(self) -> int: ...
    @property
    def tags(self) -> str: ...


def make_augment(
    settings: AugmentSettings, rows: Sequence[Row], masked_lm: OpenedLm | None, vectors: Path | None, seed: int
) -> Augment:
    """The function that augments `rows`, all at once or part by part with the same result.

    `tinybert` needs the language model and vectors, `words` vectors, `bilstm` with the tags `clusters` vectors.
    """
    near = None if vectors is None else read_unit_vectors(vectors)
    if settings.method == "bilstm":
        return _bilstm(settings, [text for row in rows for text in row], near, seed)
    assert near is not None
    if settings.method == "words":
        return _by_options(lambda texts: neighbour_options(texts, near), settings.copies, seed)
    assert masked_lm is not None
    proposer = Proposer(masked_lm)
    return _by_options(lambda texts: tinybert_options(texts, proposer, near), settings.copies, seed)


def read_unit_vectors(path: Path) -> UnitVectors:
    """The vectors of a file of words. Raises DataError as `first_word_vectors` does."""
    return UnitVectors(*first_word_vectors(path, MOST_VECTORS))


def _bilstm(settings: AugmentSettings, texts: Sequence[str], near: UnitVectors | None, seed: int) -> Augment:
    if settings.tags == "english":
        tagger = english_tagger()
    else:
        assert near is not None
        tagger = cluster_tagger(texts, near, seed)
    noise = Noise.of(texts, tagger, MASK)
    return lambda rows: [noisy_copies(row, noise, settings.copies, seed) for row in rows]


def _by_options(options_of: Callable[[Sequence[str]], list[Options]], copies: int, seed: int) -> Augment:
    def augment(rows: Sequence[Row]) -> list[list[Row]]:
        texts = list(dict.fromkeys(text for row in rows for text in row))
        options = dict(zip(texts, options_of(texts), strict=True))
        copies_of = {text: replaced_copies(text, options[text], copies, seed) for text in texts}
        return [_each_alone(row, copies_of) for row in rows]

    return augment


def _each_alone(row: Row, copies_of: dict[str, list[str]]) -> list[Row]:
    """Of a pair each text is replaced beside the other as it was; the authors' code keeps the first one's last copy."""
    found = {row: None}
    for place, text in enumerate(row):
        before, after = row[:place], row[place + 1 :]
        found |= dict.fromkeys((*before, new, *after) for new in copies_of[text][1:])
    return list(found)
