"""Plain text of a corpus: lines, columns, sentences, pairs; drawn by the seed; and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from penjing.compress.corpus import read_corpus
from penjing.pipeline.corpus_section import Corpus
from penjing.runtime.errors import DataError


def test_a_corpus_is_lines_or_a_column_without_repeats(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("one\n\n two \none\n", encoding="utf-8")
    assert read_corpus(Corpus(file="x.txt"), 1, lambda f: tmp_path / f) == [("one",), ("two",)]
    table = pyarrow.table({"text": ["one", None, "two"], "label": ["good", "bad", "good"]})
    parquet.write_table(table, tmp_path / "x.parquet")
    assert read_corpus(Corpus(file="x.parquet", column="text"), 1, lambda f: tmp_path / f) == [("one",), ("two",)]


def test_a_corpus_of_paragraphs_is_split_into_sentences_of_some_words(tmp_path: Path) -> None:
    paragraph = "It was a film. No! Was it any good? " + "long " * 100 + "end."
    (tmp_path / "x.tsv").write_text(f"text\tlabel\n{paragraph}\tgood\n", encoding="utf-8")
    found = read_corpus(Corpus(file="x.tsv", column="text", sentences=True), 1, lambda f: tmp_path / f)
    assert found == [("It was a film.",), ("Was it any good?",)]


def test_a_corpus_is_drawn_by_the_seed_without_replacement(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("\n".join(str(i) for i in range(100)))

    def draw(seed: int) -> list[tuple[str, ...]]:
        return read_corpus(Corpus(file="x.txt", rows=20), seed, lambda f: tmp_path / f)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert len(set(draw(1))) == 20


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"file": "x.tsv"}, "name its text column"),
        ({"file": "x.txt", "column": "text"}, "is plain text"),
        ({"file": "none.txt"}, "no file"),
        ({"file": "x.txt", "sentences": True}, "holds no text: name a file with one sentence a line"),
        ({"file": "x.tsv", "column": "text", "text_pair": "other"}, "no column 'other'"),
    ],
)
def test_a_corpus_that_cannot_be_read_says_why(tmp_path: Path, entry: dict[str, Any], reason: str) -> None:
    (tmp_path / "x.tsv").write_text("text\tlabel\na good film\tgood\n", encoding="utf-8")
    (tmp_path / "x.txt").write_text("two words\n")
    with pytest.raises(DataError, match=reason):
        read_corpus(Corpus.model_validate(entry), 1, lambda f: tmp_path / f)


def test_a_corpus_of_pairs_has_both_texts_of_a_row(tmp_path: Path) -> None:
    lines = ["a\tb\tmore", "one\ttwo\tx", "one\tthree\tx", " one \ttwo\ty", "\tfour\tz"]
    (tmp_path / "x.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read_corpus(Corpus(file="x.tsv", column="a", text_pair="b"), 1, lambda f: tmp_path / f)
    assert found == [("one", "two"), ("one", "three")]


@pytest.mark.parametrize("entry", [{}, {"column": "b"}, {"column": "a", "sentences": True}])
def test_a_pair_has_two_columns_and_whole_rows(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="text_pair 'b' is the second text of a table's row"):
        Corpus(file="x.tsv", text_pair="b", **entry)
