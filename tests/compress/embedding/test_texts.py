"""Texts and pairs are read as named, and what is wrong with them is said in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from penjing.compress.embedding.texts import ScoredPair, read_groups, read_pairs, read_texts
from penjing.pipeline.embedding.sections import EmbeddingData, Groups, Texts
from penjing.runtime.errors import DataError

NAMES = ("id", "score", "one", "two")


def as_given(path: str) -> Path:
    return Path(path)


def pairs_section(**changes: Any) -> EmbeddingData:
    values = {"validation": "v", "texts": [{"file": "t"}], "names": NAMES, "first": "one", "second": "two"}
    return EmbeddingData.model_validate({**values, **changes})


def test_pairs_of_a_file_without_a_header_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text('1\t4.5\ta dog\tthe "dog\n2\t0\ta cat\ta car\n', encoding="utf-8")
    assert read_pairs(path, pairs_section()) == [
        ScoredPair("a dog", 'the "dog', 4.5), ScoredPair("a cat", "a car", 0.0),
    ]  # fmt: skip


def test_pairs_of_a_file_with_a_header_need_no_names(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text('one,two,score\n"a, b",c,1\nd,e,2\n', encoding="utf-8")
    assert read_pairs(path, pairs_section(names=()))[0] == ScoredPair("a, b", "c", 1.0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1\t4.5\ta\tb\n2\thigh\tc\td\n", "the score 'high' in row 2"),
        ("1\tnan\ta\tb\n2\t1\tc\td\n", "the score 'nan' in row 1"),
        ("1\t4.5\ta\tb\n2\t1\t \td\n", "an empty text in row 2"),
        ("1\t4\ta\tb\n2\t4\tc\td\n", "one score for all of its 2 pairs"),
        ("1\t4\ta\tb\n2\t4\tc\n", "has 3 columns in row 2, `names` has 4"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(said)):
        read_pairs(path, pairs_section())


def test_a_column_that_no_name_gives_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("1\t4\ta\tb\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column 'three'; `names` gives it id, score, one, two"):
        read_pairs(path, pairs_section(second="three"))
    with pytest.raises(DataError, match="is no TSV"):
        other = path.rename(tmp_path / "pairs.csv")
        read_pairs(other, pairs_section())


def test_texts_come_once_and_as_many_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "captions.tsv"
    path.write_text("a\tb\nb\tc\n d \ta\n", encoding="utf-8")
    source = Texts(file=str(path), names=("one", "two"), columns=("one", "two"))
    assert read_texts(source, 1, as_given) == ["a", "b", "c", "d"]
    drawn = read_texts(source.model_copy(update={"rows": 2}), 1, as_given)
    assert len(drawn) == 2 and drawn == read_texts(source.model_copy(update={"rows": 2}), 1, as_given)
    lines = tmp_path / "lines.txt"
    lines.write_text("x\n\ny\n", encoding="utf-8")
    assert read_texts(Texts(file=str(lines)), 1, as_given) == ["x", "y"]
    with pytest.raises(DataError, match="is a table: name its text columns"):
        read_texts(Texts(file=str(path)), 1, as_given)


def test_groups_of_one_row_or_with_a_hole_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text("a\tb\tc\nd\te\tf\n", encoding="utf-8")
    source = Groups(file=str(path), names=("x", "y", "z"), columns=("x", "z"))
    assert read_groups(source, 1, as_given) == [("a", "c"), ("d", "f")]
    path.write_text("a\tb\tc\nd\t \tf\n", encoding="utf-8")
    with pytest.raises(DataError, match="an empty text in row 2"):
        read_groups(source.model_copy(update={"columns": ("x", "y")}), 1, as_given)
    path.write_text("a\tb\tc\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds 1 row: contrast needs at least two"):
        read_groups(source, 1, as_given)
