"""Labelled text and plain text, from files or the hub, checked before anything is computed.

Left out: tokenizing (`tokens.py`) and file formats (`tables.py`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..runtime.errors import DataError
from .tables import file_kind, read_lines, read_table

SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
SENTENCE_WORDS = (3, 60)
"""Shorter sentences teach little; longer ones are mostly lists and broken markup."""

Resolve = Callable[[str], Path]


class DataSection(Protocol):
    """The data section of a recipe."""

    @property
    def train(self) -> str | None: ...
    @property
    def validation(self) -> str | None: ...
    @property
    def test(self) -> str | None: ...
    @property
    def hub(self) -> str | None: ...
    @property
    def hub_config(self) -> str | None: ...
    @property
    def text(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def limit(self) -> int | None: ...


class CorpusEntry(Protocol):
    """One entry of a recipe's distill.corpus."""

    @property
    def file(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def sentences(self) -> bool: ...
    @property
    def rows(self) -> int | None: ...


@dataclass(frozen=True)
class Split:
    """Texts and the numbers of their labels."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Dataset:
    """The splits, and how many validation texts also stand in training (with up to five examples)."""

    train: Split
    validation: Split
    test: Split | None
    duplicates: int
    duplicate_examples: tuple[str, ...]


def load_data(section: DataSection, labels: Sequence[str], resolve: Resolve) -> Dataset:
    """Reads and checks the splits. Raises DataError that names the file, the row and the next step."""
    sources = _hub_splits(section) if section.hub else _file_splits(section, resolve)
    splits = {name: _check_split(where, rows, labels, section) for name, (where, rows) in sources.items()}
    train = _limited(splits["train"], section.limit)
    seen = set(train.labels)
    if len(seen) < 2:
        raise DataError(f"{sources['train'][0]} holds one class only ({labels[train.labels[0]]!r}): a task needs two")
    for name in ("validation", "test"):
        for label in sorted(set(splits[name].labels) - seen) if name in splits else ():
            where = sources[name][0]
            raise DataError(f"{where} has the label {labels[label]!r}, which training never saw: add rows or drop it")
    known = {_normal(text) for text in train.texts}
    double = [text for text in splits["validation"].texts if _normal(text) in known]
    return Dataset(train, splits["validation"], splits.get("test"), len(double), tuple(double[:5]))


def read_corpus(entry: CorpusEntry, seed: int, resolve: Resolve) -> list[str]:
    """Unlabelled texts of one corpus entry, without repeats; `rows` of them drawn by `seed`."""
    path = resolve(entry.file)
    if entry.column is None and file_kind(path) == ".txt":
        texts = read_lines(path)
    elif entry.column is None:
        raise DataError(f"{path} is a table: name its text column with `column` in distill.corpus")
    else:
        cells = (row[entry.column] for row in read_table(path, (entry.column,)))
        texts = [str(cell) for cell in cells if cell is not None]
    if entry.sentences:
        texts = [s for text in texts for s in SENTENCE_END.split(text)]
        texts = [s for s in texts if SENTENCE_WORDS[0] <= len(s.split()) <= SENTENCE_WORDS[1]]
    texts = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    if not texts:
        raise DataError(f"{path} holds no text for the corpus: name a file with one sentence a line")
    if entry.rows is not None and entry.rows < len(texts):
        texts = random.Random(seed).sample(texts, entry.rows)
    return texts


def _file_splits(section: DataSection, resolve: Resolve) -> dict[str, tuple[str, list[Any]]]:
    files = {"train": section.train, "validation": section.validation, "test": section.test}
    columns = (section.text, section.label)
    paths = {name: resolve(file) for name, file in files.items() if file is not None}
    return {name: (str(path), read_table(path, columns)) for name, path in paths.items()}


def _hub_splits(section: DataSection) -> dict[str, tuple[str, list[Any]]]:
    from datasets import load_dataset

    try:
        loaded = load_dataset(section.hub, section.hub_config)
    except Exception as error:  # the hub's client raises many kinds; each means that the data cannot be had
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"the hub's data set {section.hub!r} cannot be had ({reason}): check id and network") from None
    names = {"train": "train", "validation": "validation" if "validation" in loaded else "test"}
    splits: dict[str, tuple[str, list[Any]]] = {}
    for name, source in names.items():
        if source not in loaded:
            raise DataError(f"{section.hub!r} has no split {source!r}; it has {', '.join(loaded)}: use files instead")
        for column in (section.text, section.label):
            if column not in loaded[source].column_names:
                present = ", ".join(loaded[source].column_names)
                raise DataError(f"{section.hub!r} has no column {column!r} but {present}: set data.text, data.label")
        rows = loaded[source].select_columns([section.text, section.label])
        splits[name] = (f"{section.hub} ({source})", list(rows))
    return splits


def _check_split(where: str, rows: list[Any], labels: Sequence[str], section: DataSection) -> Split:
    # A label that is named like a number keeps its name's meaning.
    numbers = {str(i): i for i in range(len(labels))} | {name: i for i, name in enumerate(labels)}
    texts, found = [], []
    for number, row in enumerate(rows, start=1):
        text, label = row[section.text], row[section.label]
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{where} has an empty text, or none, in row {number}: fill it in or remove the row")
        if str(label) not in numbers:
            raise DataError(f"{where} has the label {label!r} in row {number}; task.labels has {', '.join(labels)}")
        texts.append(text.strip())
        found.append(numbers[str(label)])
    return Split(tuple(texts), tuple(found))


def _limited(split: Split, limit: int | None) -> Split:
    return split if limit is None else Split(split.texts[:limit], split.labels[:limit])


def _normal(text: str) -> str:
    return " ".join(text.lower().split())
