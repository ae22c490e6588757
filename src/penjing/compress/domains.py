"""Labelled text of several domains: a column names each text's domain, or each domain has files of its own.

Domains are numbered by name as they stand in training. Left out: data sets of the hub, and texts of two domains at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ..runtime.errors import DataError
from .data import DataSection, Dataset, Resolve, Split, load_data
from .tables import read_table
from .tasks import one_label
from .tasks.task import Task

PLACE = "{domain}"
"""Stands in a file's path where each domain's name goes."""


class DomainSection(DataSection, Protocol):
    """The data section of a recipe whose texts have domains: one of the two is given."""

    @property
    def domain(self) -> str | None: ...
    @property
    def domains(self) -> tuple[str, ...]: ...


def load_domains(
    section: DomainSection, labels: Sequence[str], resolve: Resolve, task: Task = one_label.TASK
) -> Dataset:
    """`load_data` with `Split.domains` and the domains' names.

    Raises DataError as it does, and where training has one domain only or a domain of one class, or where held-out
    text has a domain that training lacks.
    """
    read = _from_files if section.domains else _from_column
    data = read(section, labels, resolve, task)
    if len(data.domains) < 2:
        raise DataError(
            f"{section.train} holds one domain only ({data.domains[0]!r}): add another, what carries over needs two"
        )
    for number, name in enumerate(data.domains):
        seen = {label for label, domain in zip(data.train.labels, data.train.domains, strict=True) if domain == number}
        if len(seen) < 2:
            held = repr(labels[seen.pop()]) if seen else "none"
            raise DataError(
                f"the domain {name!r} of {section.train} holds one class only ({held}): add texts of another class, or"
                " leave the domain out"
            )
    return data


def split_files(section: DomainSection) -> list[str]:
    """Every file that the section names, one a domain where it says so."""
    named = [file for file in (section.train, section.validation, section.test) if file is not None]
    return [file.replace(PLACE, name) for file in named for name in (section.domains or (PLACE,))]


def _from_files(section: DomainSection, labels: Sequence[str], resolve: Resolve, task: Task) -> Dataset:
    parts = [load_data(section, labels, _for_domain(name, resolve), task) for name in section.domains]
    tests = [part.test for part in parts if part.test is not None]
    train = _in_turn([part.train for part in parts])
    return Dataset(
        _cut(train, section.limit), _in_turn([part.validation for part in parts]),
        _in_turn(tests) if tests else None, sum(part.duplicates for part in parts),
        tuple(text for part in parts for text in part.duplicate_examples)[:5], section.domains,
    )  # fmt: skip


def _for_domain(name: str, resolve: Resolve) -> Resolve:
    return lambda file: resolve(file.replace(PLACE, name))


def _in_turn(splits: Sequence[Split]) -> Split:
    """The domains' first texts, then their second ones, and so on: what a limit keeps is of all of them."""
    rows = sorted((place, domain) for domain, split in enumerate(splits) for place in range(len(split.texts)))
    pairs = [split.pairs for split in splits if split.pairs is not None]
    return Split(
        tuple(splits[domain].texts[place] for place, domain in rows),
        tuple(splits[domain].labels[place] for place, domain in rows),
        tuple(domain for _, domain in rows),
        tuple(pairs[domain][place] for place, domain in rows) if pairs else None,
    )


def _cut(split: Split, limit: int | None) -> Split:
    pairs = None if split.pairs is None else split.pairs[:limit]
    return Split(split.texts[:limit], split.labels[:limit], split.domains[:limit], pairs)


def _from_column(section: DomainSection, labels: Sequence[str], resolve: Resolve, task: Task) -> Dataset:
    data = load_data(section, labels, resolve, task)
    train = _names(section, section.train, resolve)[: len(data.train.texts)]
    known = tuple(sorted(set(train)))
    held_out = {file: _names(section, file, resolve) for file in (section.validation, section.test) if file is not None}
    for file, names in held_out.items():
        for name in sorted(set(names) - set(known)):
            raise DataError(f"{file} has the domain {name!r}, which training never saw: add its texts or drop them")
    tested = None if data.test is None else _numbered(data.test, held_out[str(section.test)], known)
    return replace(
        data, train=_numbered(data.train, train, known), test=tested, domains=known,
        validation=_numbered(data.validation, held_out[str(section.validation)], known),
    )  # fmt: skip


def _names(section: DomainSection, file: str | None, resolve: Resolve) -> list[str]:
    path, column = resolve(str(file)), str(section.domain)
    cells = [row[column] for row in read_table(path, (column,))]
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    if "" in names:
        raise DataError(f"{path} has no domain in row {names.index('') + 1}: fill in {column!r} or remove the row")
    return names


def _numbered(split: Split, names: Sequence[str], known: Sequence[str]) -> Split:
    numbers = {name: number for number, name in enumerate(known)}
    return replace(split, domains=tuple(numbers[name] for name in names))
