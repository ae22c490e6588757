"""A teacher of which nothing is known but its answers: a table of logits or labels, made by anything.

A row names its text (and the second one of a pair) and has a column of logits for each label, or a column `label`.
`penjing predict --logits` writes such a table. Left out: how an encoder learns from it, which is the teacher's training
(`teacher.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .data import Split
from .tables import read_table
from .tasks.one_label import number_of

LABEL = "label"
Asked = tuple[str, ...]
"""A text, or both texts of a pair."""


@dataclass(frozen=True)
class Answers:
    """What the black box said of every text of a split, in its order: `logits` [texts, labels], or `labels` alone."""

    logits: NDArray[np.float32] | None
    labels: tuple[int, ...]


def read_answers(path: Path, split: Split, labels: Sequence[str]) -> Answers:
    """The answers to the texts of `split`; rows of other texts are passed over.

    Raises DataError for a text without an answer, other classes than `labels`, or logits that are no numbers.
    """
    names = ("text",) if split.pairs is None else ("text", "pair")
    kind, rows = _rows(path, names, tuple(labels))
    found = {_key(row, names): row for row in rows}
    asked = _asked(split)
    if unanswered := [place for place, key in enumerate(asked) if key not in found]:
        raise DataError(
            f"{path} answers {len(asked) - len(unanswered)} of the {len(asked)} training texts, not row"
            f" {unanswered[0] + 1} ({' | '.join(asked[unanswered[0]])[:40]!r}): ask it all of them,"
            " `penjing predict --logits` writes a row for each"
        )
    chosen = [found[key] for key in asked]
    if kind == (LABEL,):
        return Answers(None, tuple(_label(path, row[LABEL], labels) for row in chosen))
    logits = np.array([[_number(path, row[name]) for name in kind] for row in chosen], np.float32)
    return Answers(logits, tuple(logits.argmax(1).tolist()))


def _rows(path: Path, names: tuple[str, ...], labels: tuple[str, ...]) -> tuple[tuple[str, ...], list[Any]]:
    """The columns beside `names` that the table has, the labels' or LABEL alone, and its rows."""
    read_table(path, names)  # says what is wrong with the file itself
    for kind in (labels, (LABEL,)):
        with suppress(DataError):
            return kind, read_table(path, (*names, *kind))
    raise DataError(
        f"{path} has neither a column of logits for each of task.labels ({', '.join(labels)}) nor a column {LABEL!r}:"
        " its classes are others, or name them so"
    )


def _asked(split: Split) -> list[Asked]:
    pairs = split.pairs or ()
    return [(text.strip(), *(pair.strip() for pair in pairs[i : i + 1])) for i, text in enumerate(split.texts)]


def _key(row: Any, names: Sequence[str]) -> Asked:
    return tuple(str(row[name]).strip() for name in names)


def _label(path: Path, label: Any, labels: Sequence[str]) -> int:
    try:
        return number_of(label, labels)
    except ValueError:
        raise DataError(f"{path} has the label {label!r}, task.labels has {', '.join(labels)}: map it first") from None


def _number(path: Path, cell: Any) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{path} has the logit {cell!r}, which is no number: write the table again")
    return value
