"""What embeddings are trained and judged on: plain texts, groups of texts that belong together, pairs with a score.

A file without a header has its columns named by the recipe. Left out: the hub, and file formats (`../tables.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...runtime.errors import DataError
from ..corpus import drawn
from ..data import Resolve
from ..tables import file_kind, read_lines, read_table


class TextColumns(Protocol):
    """A file and its columns that hold text: none of plain text; `names` are all columns' where it has no header."""

    @property
    def file(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> int | None: ...


class PairColumns(Protocol):
    """The columns of a file of pairs that people have scored."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def first(self) -> str: ...
    @property
    def second(self) -> str: ...
    @property
    def score(self) -> str: ...


@dataclass(frozen=True)
class ScoredPair:
    """Two texts, and how alike people find them; higher is more alike."""

    first: str
    second: str
    score: float


def read_texts(source: TextColumns, seed: int, resolve: Resolve) -> list[str]:
    """The texts of all its columns without repeats; `rows` of them, drawn by the seed. Raises DataError."""
    path = resolve(source.file)
    if source.columns:
        texts = [cell for row in read_columns(path, source.columns, source.names) for cell in row]
    elif file_kind(path) == ".txt":
        texts = read_lines(path)
    else:
        raise DataError(f"{path} is a table: name its text columns with `columns`")
    texts = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    if not texts:
        raise DataError(f"{path} holds no text: name a file with one sentence a line")
    return drawn(texts, source.rows, seed)


def read_groups(source: TextColumns, seed: int, resolve: Resolve) -> list[tuple[str, ...]]:
    """Rows of texts that belong together: anchor, positive and, where there is a third, hard negative.

    Raises DataError for an empty cell, or fewer than two rows, which nothing can be told apart in.
    """
    path = resolve(source.file)
    rows = [tuple(cell.strip() for cell in row) for row in read_columns(path, source.columns, source.names)]
    for number, row in enumerate(rows, start=1):
        if not all(row):
            raise DataError(f"{path} has an empty text in row {number}: fill it in or remove the row")
    if len(rows) < 2:
        raise DataError(f"{path} holds {len(rows)} row: contrast needs at least two")
    return drawn(rows, source.rows, seed)


def read_pairs(path: Path, columns: PairColumns) -> list[ScoredPair]:
    """Every pair with its score. Raises DataError for an empty text, what is no number, or scores all alike."""
    pairs = []
    wanted = (columns.first, columns.second, columns.score)
    for number, (first, second, said) in enumerate(read_columns(path, wanted, columns.names), start=1):
        if not first.strip() or not second.strip():
            raise DataError(f"{path} has an empty text in row {number}: fill it in or remove the row")
        pairs.append(ScoredPair(first.strip(), second.strip(), _number(path, number, said)))
    if len({pair.score for pair in pairs}) < 2:
        raise DataError(f"{path} has one score for all of its {len(pairs)} pairs: ranks need at least two")
    return pairs


def read_columns(path: Path, wanted: Sequence[str], names: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of the `wanted` columns of every row; with `names`, of a TSV without a header. Raises DataError."""
    if not names:
        rows = read_table(path, tuple(wanted))
        return [tuple("" if row[column] is None else str(row[column]) for column in wanted) for row in rows]
    if file_kind(path) != ".tsv":
        raise DataError(f"{path} is no TSV: only of these may `names` name the columns, others have a header")
    missing = [column for column in wanted if column not in names]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; `names` gives it {', '.join(names)}")
    places, found = [list(names).index(column) for column in wanted], []
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if len(cells) != len(names):
            raise DataError(f"{path} has {len(cells)} columns in row {number}, `names` has {len(names)}: mend one")
        found.append(tuple(cells[place] for place in places))
    return found


def _number(path: Path, row: int, said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path} has the score {said!r} in row {row}: give a number")
    return value
