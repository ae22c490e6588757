"""Text of several domains: by a column or by files, and one-line errors for what cannot be learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penjing.compress.data import Dataset
from penjing.compress.domains import load_domains, split_files
from penjing.pipeline.sections import Data
from penjing.runtime.errors import DataError

LABELS = ("bad", "good")
ROWS = [("a", "good", "films"), ("b", "bad", "books"), ("c", "bad", "films"), ("d", "good", "books")]


def write(path: Path, rows: list[tuple[str, ...]]) -> None:
    columns = ("text", "label", "domain")[: len(rows[0])]
    path.write_text("\n".join("\t".join(row) for row in [columns, *rows]) + "\n", encoding="utf-8")


def load(folder: Path, labels: tuple[str, ...] = LABELS, **values: Any) -> Dataset:
    section = Data.model_validate({"train": "train.tsv", "validation": "validation.tsv", **values})
    return load_domains(section, labels, lambda file: folder / file)


def refusal(folder: Path, **values: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A column in whole files, and files of each domain."""
    write(tmp_path / "train.tsv", ROWS)
    write(tmp_path / "validation.tsv", [("x", "good", "books"), ("y", "bad", "films")])
    for name in ("books", "films"):
        write(tmp_path / f"{name}.train.tsv", [row[:2] for row in ROWS if row[2] == name])
        write(tmp_path / f"{name}.dev.tsv", [(f"{name} 1", "good"), (f"{name} 2", "bad"), (f"{name} 3", "bad")])
    return tmp_path


def test_a_column_names_the_domains_in_order(folder: Path) -> None:
    data = load(folder, domain="domain", test="validation.tsv")
    assert data.domains == ("books", "films")
    assert data.train.domains == (1, 0, 1, 0) and data.validation.domains == (0, 1)
    assert data.test is not None and data.test.domains == (0, 1)


def test_files_of_each_domain_are_read_in_turn(folder: Path) -> None:
    files = {"train": "{domain}.train.tsv", "validation": "{domain}.dev.tsv", "domains": ["films", "books"]}
    data = load(folder, **files)
    assert data.domains == ("films", "books")
    assert data.train.texts == ("a", "b", "c", "d") and data.train.domains == (0, 1, 0, 1)
    assert data.validation.texts == ("films 1", "books 1", "films 2", "books 2", "films 3", "books 3")
    assert split_files(Data.model_validate(files)) == [
        "films.train.tsv", "books.train.tsv", "films.dev.tsv", "books.dev.tsv"
    ]  # fmt: skip


def test_a_limit_keeps_texts_of_every_domain(folder: Path) -> None:
    for name in ("books", "films"):
        write(folder / f"{name}.train.tsv", [(f"{name} {i}", LABELS[i % 2]) for i in range(20)])
    data = load(folder, train="{domain}.train.tsv", validation="{domain}.dev.tsv", domains=["books", "films"], limit=10)
    assert data.train.domains == (0, 1) * 5


def test_a_domain_of_one_class_is_refused(folder: Path) -> None:
    write(folder / "train.tsv", [*ROWS, ("e", "good", "plays"), ("f", "good", "plays")])
    assert "the domain 'plays' of train.tsv holds one class only ('good')" in refusal(folder, domain="domain")
    write(folder / "books.train.tsv", [("e", "good"), ("f", "good")])
    message = refusal(folder, train="{domain}.train.tsv", validation="{domain}.dev.tsv", domains=["films", "books"])
    assert "books.train.tsv holds one class only ('good')" in message


def test_a_domain_may_lack_a_class_that_others_have(folder: Path) -> None:
    write(folder / "train.tsv", [*ROWS, ("e", "fair", "films")])
    assert load(folder, ("bad", "fair", "good"), domain="domain").train.domains == (1, 0, 1, 0, 1)


def test_one_domain_alone_is_refused(folder: Path) -> None:
    write(folder / "train.tsv", [row for row in ROWS if row[2] == "books"])
    write(folder / "validation.tsv", [("x", "good", "books")])
    assert "holds one domain only ('books')" in refusal(folder, domain="domain")


def test_a_domain_that_training_never_saw_is_refused(folder: Path) -> None:
    write(folder / "validation.tsv", [("x", "good", "plays")])
    assert "validation.tsv has the domain 'plays', which training never saw" in refusal(folder, domain="domain")


def test_a_text_without_a_domain_is_refused_with_its_row(folder: Path) -> None:
    write(folder / "train.tsv", [*ROWS, ("e", "good", " ")])
    assert "train.tsv has no domain in row 5" in refusal(folder, domain="domain")


def test_a_missing_column_names_those_there_are(folder: Path) -> None:
    assert "no column 'genre'" in refusal(folder, domain="genre")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"train": "{domain}.tsv", "domain": "genre", "domains": ["a", "b"]}, "not both"),
        ({"train": "train.tsv", "domains": ["a", "b"]}, "{domain}"),
        ({"train": "{domain}.tsv", "validation": "{domain}.tsv", "domains": ["a", "a"]}, "all different"),
        ({"hub": "some/set", "train": None, "validation": None, "domain": "genre"}, "files"),
    ],
)
def test_a_recipe_that_cannot_mean_it_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("{", r"\{")):
        Data.model_validate({"validation": "validation.tsv", **values})
