"""Files of every task: pairs, words with a tag a line, texts that are out of scope, and bad input in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penjing.compress.data import Dataset, load_data
from penjing.compress.tasks import task_named
from penjing.pipeline.sections import Data
from penjing.pipeline.task_sections import OutOfScope
from penjing.runtime.answers import REJECTED
from penjing.runtime.errors import DataError

GOOD = {
    "text-classification": ["good film\tgood", "bad film\tbad"],
    "multi-label-classification": ["good film\tgood", "bad and good\tbad;good"],
    "regression": ["good film\t4.5", "bad film\t1"],
    "token-classification": ["good film\tB-mood O", "so bad\tO B-mood"],
}
LABELS = {"token-classification": ("mood",), "regression": ()}


def load(
    folder: Path, kind: str, rows: list[str], header: str = "text\tlabel", scope: OutOfScope | None = None, **more: Any
) -> Dataset:
    for name in ("train", "validation"):
        (folder / f"{name}.tsv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    separator = {"label_separator": ";"} if kind == "multi-label-classification" else {}
    section = Data.model_validate({"train": "train.tsv", "validation": "validation.tsv", **separator, **more})
    labels = LABELS.get(kind, ("bad", "good"))
    return load_data(section, labels, lambda file: folder / file, task_named(kind), scope)


def refusal(folder: Path, kind: str, rows: list[str], **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, kind, rows, **more)
    assert "\n" not in str(caught.value) and "{" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "golds"),
    [
        ("text-classification", (1, 0)), ("multi-label-classification", ((1,), (0, 1))), ("regression", (4.5, 1.0)),
        ("token-classification", (((0, 4, "mood"),), ((3, 6, "mood"),))),
    ],
)  # fmt: skip
def test_every_task_reads_its_own_columns(kind: str, golds: tuple[object, ...], tmp_path: Path) -> None:
    data = load(tmp_path, kind, GOOD[kind])
    assert data.train.labels == golds
    assert data.duplicates == 2


@pytest.mark.parametrize("kind", ["text-classification", "multi-label-classification", "regression"])
def test_pairs_keep_their_second_text(kind: str, tmp_path: Path) -> None:
    rows = [f"{row}\tsecond {i}" for i, row in enumerate(GOOD[kind])]
    data = load(tmp_path, kind, rows, "text\tlabel\tother", text_pair="other")
    assert data.train.pairs == ("second 0", "second 1")
    assert data.train.first(1).pairs == ("second 0",)


def test_pairs_that_share_one_text_alone_are_no_duplicates(tmp_path: Path) -> None:
    load(tmp_path, "regression", ["a\tb\t1", "a\tc\t2"], "text\tother\tlabel", text_pair="other")
    (tmp_path / "validation.tsv").write_text("text\tother\tlabel\na\td\t1\nA\tB\t2\n")
    section = Data.model_validate({"train": "train.tsv", "validation": "validation.tsv", "text_pair": "other"})
    data = load_data(section, (), lambda file: tmp_path / file, task_named("regression"))
    assert data.duplicates == 1


@pytest.mark.parametrize(
    ("kind", "row", "words"),
    [
        ("multi-label-classification", "film\tugly", "has the label 'ugly' in row 3; task.labels has bad, good"),
        ("regression", "film\tmuch", "has the label 'much' in row 3, which is no number"),
        ("token-classification", "a film\tO", "has fewer tags than words in row 3"),
        ("token-classification", "a film\tO O O", "has more tags than words (3, 2) in row 3: give one tag a word"),
        ("token-classification", "a film\tO S-mood", "has the tag 'S-mood' in row 3, of the scheme BIOES"),
        ("token-classification", "\tO", "has an empty text, or none, in row 3"),
    ],
)
def test_a_bad_row_is_named(kind: str, row: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(tmp_path, kind, [*GOOD[kind], row])


def test_a_pair_task_with_one_column_or_an_empty_second_text_is_refused(tmp_path: Path) -> None:
    rows = GOOD["text-classification"]
    assert "has no column 'other'; it has 'text', 'label'" in refusal(
        tmp_path, "text-classification", rows, text_pair="other"
    )
    message = refusal(
        tmp_path, "text-classification", ["a\tgood\t ", "b\tbad\tx"], header="text\tlabel\tother", text_pair="other"
    )
    assert "has an empty second text, or none, in row 1" in message


def test_words_and_tags_are_read_a_line_each_with_tabs_or_spaces(tmp_path: Path) -> None:
    for name, text in (("train", "good\tB-mood\nfilm\tO\n\nso\tO\nbad\tB-mood\n"), ("validation", "dull x B-mood\n")):
        (tmp_path / f"{name}.conll").write_text(text, encoding="utf-8")
    section = Data.model_validate({"train": "train.conll", "validation": "validation.conll"})
    data = load_data(section, ("mood",), lambda file: tmp_path / file, task_named("token-classification"))
    assert data.train.texts == ("good film", "so bad")
    assert data.train.labels == (((0, 4, "mood"),), ((3, 6, "mood"),))
    assert data.validation.texts == ("dull",)
    (tmp_path / "train.conll").write_text("good\tB-mood\nfilm\n", encoding="utf-8")
    with pytest.raises(DataError, match="has a word without a tag in line 2"):
        load_data(section, ("mood",), lambda file: tmp_path / file, task_named("token-classification"))


def test_texts_out_of_scope_are_set_aside_and_not_learnt(tmp_path: Path) -> None:
    (tmp_path / "odd.tsv").write_text("text\nwhat is the time\n", encoding="utf-8")
    rows = [*GOOD["text-classification"], "who are you\todd"]
    data = load(tmp_path, "text-classification", rows, scope=OutOfScope(label="odd", validation="odd.tsv"))
    assert data.train.texts == ("good film", "bad film")
    assert data.validation.texts == ("good film", "bad film")
    assert set(data.out_of_scope) == {"validation"}
    aside = data.out_of_scope["validation"]
    assert aside.texts == ("who are you", "what is the time") and set(aside.labels) == {REJECTED}


def test_rows_that_are_all_out_of_scope_leave_nothing_to_learn(tmp_path: Path) -> None:
    scope = OutOfScope(label="odd")
    assert "holds only texts that are out of scope" in refusal(tmp_path, "text-classification", ["a\todd"], scope=scope)
