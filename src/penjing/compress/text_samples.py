"""Texts as samples of a detector: each a row of token ids, from a table with a column of texts or a file of lines.

The tokenizer is the device's. Left out: what the ids mean (`detectors/embedding.py`).
"""

from __future__ import annotations

from pathlib import Path

from ..runtime.errors import DataError
from ..runtime.text_samples import text_samples
from ..runtime.tokenizer import TextTokenizer
from .sample_files import PLAIN, Columns, to_labels
from .samples import Labels, SampleSet
from .tables import file_kind, read_lines, read_table

COLUMN = "text"
"""Where the texts are, if the recipe names no column."""


def read_texts(path: Path, columns: Columns, tokenizer: TextTokenizer) -> tuple[SampleSet, int]:
    """Samples [n, window, 1] of ids, padded at the end to the tokenizer's length, and how many texts were longer.

    Raises DataError for a text that is empty or none, and columns that are not there.
    """
    column = _text_column(columns)
    texts, labels = _plain(path, columns) if file_kind(path) == PLAIN else _table(path, column, columns)
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{path} has an empty text, or none, in row {row}: fill it in or remove the row")
    ids, cut = text_samples(tokenizer, texts)
    return SampleSet(ids.astype("float64"), labels, None, (column,)), sum(cut)


def _text_column(columns: Columns) -> str:
    named = columns.features or (COLUMN,)
    if len(named) > 1:
        raise DataError(f"data.features names {len(named)} columns ({', '.join(named)}): name the one with the texts")
    return named[0]


def _plain(path: Path, columns: Columns) -> tuple[list[str], Labels | None]:
    if columns.label is not None:
        raise DataError(f"{path} is plain text, which has no column {columns.label!r}: leave the label out")
    return read_lines(path), None


def _table(path: Path, column: str, columns: Columns) -> tuple[list[str], Labels | None]:
    wanted = (column,) if columns.label is None else (column, columns.label)
    rows = read_table(path, wanted)
    labels = None if columns.label is None else to_labels([row[columns.label] for row in rows], columns.normal)
    return [row[column] for row in rows], labels
