"""Plain text to learn from beside the task's: sentences, or pairs of them, from lines or from a table's columns.

Left out: labelled text (`data.py`) and file formats (`tables.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from ..runtime.errors import DataError
from .data import Resolve
from .sentences import split_sentences
from .tables import file_kind, read_lines, read_table

Item = TypeVar("Item")


class CorpusEntry(Protocol):
    """One file of unlabelled text in a recipe."""

    @property
    def file(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def sentences(self) -> bool: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def text_pair(self) -> str | None: ...


def read_corpus(entry: CorpusEntry, seed: int, resolve: Resolve) -> list[tuple[str, ...]]:
    """Unlabelled texts of one corpus entry, (text,) or (text, second text) each, without repeats; `rows` of them drawn
    by `seed`."""
    path = resolve(entry.file)
    texts = [tuple(text.strip() for text in row) for row in _plain_rows(path, entry)]
    texts = list(dict.fromkeys(row for row in texts if all(row)))
    if not texts:
        raise DataError(f"{path} holds no text: name a file with one sentence a line")
    return drawn(texts, entry.rows, seed)


def drawn(items: list[Item], rows: int | None, seed: int) -> list[Item]:
    """So many of the items, drawn by the seed; all of them, in their order, where there are no more."""
    return items if rows is None or rows >= len(items) else random.Random(seed).sample(items, rows)


def _plain_rows(path: Path, entry: CorpusEntry) -> Iterator[tuple[str, ...]]:
    if entry.column is None and file_kind(path) != ".txt":
        raise DataError(f"{path} is a table: name its text column with `column`")
    if entry.column is None:
        rows: Iterable[tuple[str, ...]] = ((line,) for line in read_lines(path))
    else:
        columns = (entry.column,) if entry.text_pair is None else (entry.column, entry.text_pair)
        cells = ([row[column] for column in columns] for row in read_table(path, columns))
        rows = (tuple(map(str, row)) for row in cells if None not in row)
    yield from ((sentence,) for (text,) in rows for sentence in split_sentences(text)) if entry.sentences else rows
