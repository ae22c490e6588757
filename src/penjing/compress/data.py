"""Labelled text, from files or the hub, checked before anything is computed.

Left out: plain text (`corpus.py`), tokenizing (`tokens.py`) and file formats (`tables.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..runtime.answers import REJECTED
from ..runtime.errors import DataError
from .held_out import hold_out
from .tables import WORD_FILES, file_kind, read_table, read_tagged_words
from .tasks import one_label
from .tasks.task import Gold, Task

LABEL_SEPARATOR = ","
"""Between the labels of a text that has many."""

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
    @property
    def text_pair(self) -> str | None: ...
    @property
    def label_separator(self) -> str | None: ...
    @property
    def held_out(self) -> float | None: ...


class OutOfScopeSection(Protocol):
    """Where texts are that are about none of the labels: rows of this label, or files of them."""

    @property
    def label(self) -> str | None: ...
    @property
    def validation(self) -> str | None: ...
    @property
    def test(self) -> str | None: ...


@dataclass(frozen=True)
class Split:
    """Texts and their right decisions (`tasks/`; the number of the label, where there is one) and, where texts have
    them, the numbers of their domains (`domains.py`) and the second texts of pairs."""

    texts: tuple[str, ...]
    labels: tuple[Gold, ...]
    domains: tuple[int, ...] = ()
    pairs: tuple[str, ...] | None = None

    def first(self, count: int) -> Split:
        """The first texts alone, without their domains."""
        pairs = None if self.pairs is None else self.pairs[:count]
        return Split(self.texts[:count], self.labels[:count], pairs=pairs)


@dataclass(frozen=True)
class Dataset:
    """The splits, how many validation texts also stand in training (and up to five of them), the domains' names."""

    train: Split
    validation: Split
    test: Split | None
    duplicates: int
    duplicate_examples: tuple[str, ...]
    domains: tuple[str, ...] = ()
    out_of_scope: Mapping[str, Split] = field(default_factory=dict)
    """By split, "validation" and "test": texts that are about none of the labels, which training does not see."""


def load_data(
    section: DataSection,
    labels: Sequence[str],
    resolve: Resolve,
    task: Task = one_label.TASK,
    out_of_scope: OutOfScopeSection | None = None,
) -> Dataset:
    """Reads and checks the splits. Raises DataError that names the file, the row and the next step."""
    sources = _hub_splits(section) if section.hub else _file_splits(section, resolve, task)
    if section.held_out is not None:
        sources = _with_held_out(sources, section, section.held_out)
    aside = {} if out_of_scope is None else _take_aside(sources, section, out_of_scope, resolve)
    splits = {name: _check_split(where, rows, labels, section, task) for name, (where, rows) in sources.items()}
    train = _limited(splits["train"], section.limit)
    try:
        task.check(train.labels, labels)
    except ValueError as error:
        raise DataError(f"{sources['train'][0]} {error}") from None
    seen = {number for gold in train.labels for number in task.named(gold)}
    for name in ("validation", "test"):
        there = {number for gold in splits[name].labels for number in task.named(gold)} if name in splits else set()
        for label in sorted(there - seen):
            where = sources[name][0]
            raise DataError(f"{where} has the label {labels[label]!r}, which training never saw: add rows or drop it")
    known = set(spelt_alike(train))
    double = [text for text, asked in zip(splits["validation"].texts, spelt_alike(splits["validation"]), strict=True)
              if asked in known]  # fmt: skip
    return Dataset(train, splits["validation"], splits.get("test"), len(double), tuple(double[:5]), out_of_scope=aside)


def _columns(section: DataSection) -> tuple[str, ...]:
    return (section.text, *([] if section.text_pair is None else [section.text_pair]), section.label)


def _file_splits(section: DataSection, resolve: Resolve, task: Task) -> dict[str, tuple[str, list[Any]]]:
    files = {"train": section.train, "validation": section.validation, "test": section.test}
    paths = {name: resolve(file) for name, file in files.items() if file is not None}
    return {name: (str(path), _read(path, section, task)) for name, path in paths.items()}


def _read(path: Path, section: DataSection, task: Task) -> list[Any]:
    """Rows of a table or, where words are labelled, of a file with a word and its tag a line."""
    if task.by_word and file_kind(path) in WORD_FILES:
        return [{section.text: words, section.label: tags} for words, tags in read_tagged_words(path)]
    return read_table(path, _columns(section))


def _hub_splits(section: DataSection) -> dict[str, tuple[str, list[Any]]]:
    from datasets import load_dataset

    try:
        loaded = load_dataset(section.hub, section.hub_config)
    except Exception as error:  # the hub's client raises many kinds; each means that the data cannot be had
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"the hub's data set {section.hub!r} cannot be had ({reason}): check id and network") from None
    names = {"train": "train"}
    if section.held_out is None:
        names["validation"] = "validation" if "validation" in loaded else "test"
    splits: dict[str, tuple[str, list[Any]]] = {}
    for name, source in names.items():
        if source not in loaded:
            raise DataError(f"{section.hub!r} has no split {source!r}; it has {', '.join(loaded)}: use files instead")
        for column in _columns(section):
            if column not in loaded[source].column_names:
                present = ", ".join(loaded[source].column_names)
                raise DataError(f"{section.hub!r} has no column {column!r} but {present}: set data.text, data.label")
        rows = loaded[source].select_columns(list(_columns(section)))
        splits[name] = (f"{section.hub} ({source})", list(rows))
    return splits


def _with_held_out(
    sources: dict[str, tuple[str, list[Any]]], section: DataSection, share: float
) -> dict[str, tuple[str, list[Any]]]:
    """With a share of the training rows as validation, where no text of theirs is trained on."""
    where, rows = sources["train"]
    train, validation = hold_out(rows, share, lambda row: spelling(str(row[section.text])))
    if not validation or not train:
        raise DataError(f"{where} has {len(rows)} rows: too few to hold out a share of {share:g}; add rows or a file")
    return {**sources, "train": (where, train), "validation": (f"{where} (held out)", validation)}


def _take_aside(
    sources: dict[str, tuple[str, list[Any]]], section: DataSection, asked: OutOfScopeSection, resolve: Resolve
) -> dict[str, Split]:
    """Takes the rows that are out of scope out of `sources`, and returns them with those of the files."""
    found: dict[str, Split] = {}
    for name in ("train", "validation", "test"):
        if name not in sources:
            continue
        where, rows = sources[name]
        aside = [row for row in rows if asked.label is not None and str(row[section.label]) == asked.label]
        sources[name] = (where, [row for row in rows if asked.label is None or str(row[section.label]) != asked.label])
        file = {"validation": asked.validation, "test": asked.test}.get(name)
        if file is not None:
            aside += read_table(resolve(file), (section.text,))
        if aside and name != "train":
            texts = tuple(_text(where, number, row[section.text]) for number, row in enumerate(aside, start=1))
            found[name] = Split(texts, (REJECTED,) * len(texts))
    return found


def _check_split(where: str, rows: list[Any], labels: Sequence[str], section: DataSection, task: Task) -> Split:
    texts, found, pairs = [], [], []
    separator = section.label_separator or LABEL_SEPARATOR
    if not rows:
        raise DataError(f"{where} holds only texts that are out of scope: add texts of the labels")
    for number, row in enumerate(rows, start=1):
        cell = row[section.text]
        text = cell if isinstance(cell, list) and task.by_word and cell else _text(where, number, cell)
        try:
            read, gold = task.read(text, row[section.label], labels, separator)
        except ValueError as error:
            raise DataError(f"{where} has {str(error).replace('{row}', str(number))}") from None
        texts.append(read)
        found.append(gold)
        if section.text_pair is not None:
            pairs.append(_text(where, number, row[section.text_pair], "second text"))
    return Split(tuple(texts), tuple(found), pairs=None if section.text_pair is None else tuple(pairs))


def _text(where: str, number: int, cell: Any, what: str = "text") -> str:
    if not isinstance(cell, str) or not cell.strip():
        raise DataError(f"{where} has an empty {what}, or none, in row {number}: fill it in or remove the row")
    return cell.strip()


def spelt_alike(split: Split) -> list[str]:
    """What the model is asked, spelled alike where only case or spaces differ."""
    pairs = split.pairs or ("",) * len(split.texts)
    return [f"{spelling(text)}\t{spelling(pair)}" for text, pair in zip(split.texts, pairs, strict=True)]


def _limited(split: Split, limit: int | None) -> Split:
    return split if limit is None else split.first(limit)


def spelling(text: str) -> str:
    """Alike for texts that differ in case or spaces only."""
    return " ".join(text.lower().split())
