"""Reading labelled text: the same rows from every format, the hub's code path on a local data set, and bad input."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from penjing.compress.data import Dataset, load_data
from penjing.compress.tables import read_table
from penjing.pipeline.sections import Data
from penjing.runtime.errors import DataError

LABELS = ("bad", "good")
ROWS = [
    ("a good film", "good"),
    ('said "bad", and left', "bad"),
    ("zwei\u2028Zeilen 😀", "good"),
    ("dull, very", "bad"),
]
COLUMNS = ("text", "label")


def write_tsv(path: Path, rows: list[tuple[str, str]], header: str = "text\tlabel") -> Path:
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def write_json_lines(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[tuple[str, str]]) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": [t for t, _ in rows], "label": [y for _, y in rows]}), path)
    return path


def section(**values: Any) -> Data:
    return Data.model_validate({"validation": "validation.tsv", "train": "train.tsv", **values})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good training and a good validation file."""
    write_tsv(tmp_path / "train.tsv", ROWS)
    write_tsv(tmp_path / "validation.tsv", [("a new one", "good"), ("not so", "bad")])
    return tmp_path


def load(folder: Path, labels: tuple[str, ...] = LABELS, **values: Any) -> Dataset:
    return load_data(section(**values), labels, lambda file: folder / file)


def refusal(folder: Path, labels: tuple[str, ...] = LABELS, **values: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, labels, **values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "write"),
    [("x.tsv", write_tsv), ("x.csv", write_csv), ("x.jsonl", write_json_lines), ("x.parquet", write_parquet)],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, write: Callable[..., Path]) -> None:
    rows = read_table(write(tmp_path / name, ROWS), COLUMNS)
    assert [(row["text"], row["label"]) for row in rows] == ROWS


@pytest.mark.parametrize(("ending", "opener"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_a_packed_file_is_read_as_it_is_inside(tmp_path: Path, ending: str, opener: Callable[..., Any]) -> None:
    plain = write_csv(tmp_path / "x.csv", ROWS)
    with opener(tmp_path / f"x.csv{ending}", "wb") as file:
        file.write(plain.read_bytes())
    assert read_table(tmp_path / f"x.csv{ending}", COLUMNS) == read_table(plain, COLUMNS)


def test_a_csv_cell_may_hold_line_breaks_and_a_tsv_cell_quotes(tmp_path: Path) -> None:
    rows = [("two\nlines", "good")]
    assert read_table(write_csv(tmp_path / "x.csv", rows), COLUMNS) == [{"text": "two\nlines", "label": "good"}]
    (tmp_path / "x.tsv").write_bytes(b'label\ttext\tmore\r\nbad\t"half a quote\tx\r\n')
    assert read_table(tmp_path / "x.tsv", COLUMNS) == [{"text": '"half a quote', "label": "bad"}]


def test_labels_are_names_or_their_numbers(folder: Path) -> None:
    write_tsv(folder / "train.tsv", [("a", "0"), ("b", "1"), ("c", "good")])
    assert load(folder).train.labels == (0, 1, 1)
    write_json_lines(folder / "train.jsonl", [])
    (folder / "train.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n')
    assert load(folder, train="train.jsonl").train.labels == (1, 0)


def test_a_label_named_like_a_number_keeps_its_meaning(folder: Path) -> None:
    write_tsv(folder / "train.tsv", [("a", "1"), ("b", "0")])
    write_tsv(folder / "validation.tsv", [("x", "1"), ("y", "0")])
    assert load(folder, labels=("1", "0")).train.labels == (0, 1)


def test_texts_in_both_training_and_validation_are_counted(folder: Path) -> None:
    write_tsv(folder / "validation.tsv", [("A  GOOD film ", "good"), ("not so", "bad")])
    data = load(folder)
    assert (data.duplicates, data.duplicate_examples) == (1, ("A  GOOD film",))


def test_a_test_split_is_optional_and_a_limit_cuts_training_alone(folder: Path) -> None:
    write_tsv(folder / "train.tsv", ROWS * 5)
    assert load(folder).test is None
    data = load(folder, test="validation.tsv", limit=8)
    assert data.test is not None
    assert (len(data.train.texts), len(data.validation.texts), len(data.test.texts)) == (8, 2, 2)


def test_without_a_validation_file_a_share_of_training_is_held_out_by_its_text(folder: Path) -> None:
    rows = [(f"film {number}", LABELS[number % 2]) for number in range(1000)]
    write_tsv(folder / "train.tsv", [*rows, *((text.upper(), label) for text, label in rows)])
    data = load(folder, validation=None, held_out=0.2)
    assert len(data.train.texts) + len(data.validation.texts) == 2000
    assert len(data.validation.texts) == pytest.approx(400, abs=80)
    assert data.duplicates == 0
    write_tsv(folder / "train.tsv", rows[::-1])
    again = load(folder, validation=None, held_out=0.2)
    assert set(again.validation.texts) <= set(data.validation.texts)
    assert {text.lower() for text in data.validation.texts} == set(again.validation.texts)


def test_too_few_rows_to_hold_some_out_are_refused(folder: Path) -> None:
    write_tsv(folder / "train.tsv", ROWS[:1])
    assert "1 rows: too few to hold out a share of 0.01" in refusal(folder, validation=None, held_out=0.01)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"held_out": 0.1}, "not both"),
        ({"validation": None}, "`held_out: 0.1`"),
        ({"validation": None, "held_out": 0.1, "domain": "kind"}, "held_out knows no column of domains"),
    ],
)
def test_a_share_held_out_stands_in_for_a_file_alone(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(reason)):
        section(**values)


def test_a_text_of_a_megabyte_is_read_from_every_format(tmp_path: Path) -> None:
    rows = [("word " * 200_000 + "end", "good")]
    for write, name in ((write_tsv, "x.tsv"), (write_csv, "x.csv"), (write_json_lines, "x.jsonl")):
        assert read_table(write(tmp_path / name, rows), COLUMNS)[0]["text"] == rows[0][0]


def test_a_missing_file_names_the_nearest_one(folder: Path) -> None:
    assert refusal(folder, train="trian.tsv").endswith("did you mean train.tsv?")
    assert "check the path" in refusal(folder, train="nowhere/else.tsv")


def test_a_missing_column_names_those_there_are(folder: Path) -> None:
    message = refusal(folder, text="sentence")
    assert "no column 'sentence'" in message and "'text', 'label'" in message
    write_json_lines(folder / "x.jsonl", ROWS)
    assert "no column 'sentence' in line 1" in refusal(folder, train="x.jsonl", text="sentence")


def test_a_label_that_training_never_saw_is_refused(folder: Path) -> None:
    write_tsv(folder / "validation.tsv", [("x", "good"), ("y", "fair")])
    message = refusal(folder, labels=("bad", "fair", "good"))
    assert "validation.tsv has the label 'fair', which training never saw" in message


def test_a_label_outside_the_task_is_refused_with_its_row(folder: Path) -> None:
    write_tsv(folder / "validation.tsv", [("x", "good"), ("y", "fine")])
    assert "the label 'fine' in row 2; task.labels has bad, good" in refusal(folder)


@pytest.mark.parametrize("text", ["", "   ", "\u3000"])
def test_an_empty_text_is_refused_with_its_row(folder: Path, text: str) -> None:
    write_tsv(folder / "train.tsv", [*ROWS, (text, "good")])
    assert "empty text, or none, in row 5" in refusal(folder)


def test_a_missing_value_in_parquet_is_an_empty_text(folder: Path) -> None:
    write_parquet(folder / "x.parquet", [("a", "good"), (None, "bad")])  # type: ignore[list-item]
    assert "empty text, or none, in row 2" in refusal(folder, train="x.parquet")


@pytest.mark.parametrize(("content", "reason"), [("", "is empty"), ("\n\n", "is empty"), ("text\tlabel\n", "no rows")])
def test_an_empty_file_is_refused(folder: Path, content: str, reason: str) -> None:
    (folder / "train.tsv").write_text(content)
    assert reason in refusal(folder)


def test_a_data_set_of_one_class_is_refused(folder: Path) -> None:
    write_tsv(folder / "train.tsv", [("a", "good"), ("b", "good")])
    assert "one class only ('good')" in refusal(folder)


@pytest.mark.parametrize("name", ["x.tsv", "x.csv", "x.jsonl"])
def test_broken_utf8_names_the_line(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"text\tlabel\nok\tgood\n\xff\xfe\tbad\n")
    assert f"{name} is not UTF-8 in line 3" in refusal(folder, train=name)


def test_a_nul_character_names_the_line(folder: Path) -> None:
    (folder / "train.tsv").write_bytes(b"text\tlabel\no\0k\tgood\n")
    assert "NUL character in line 2" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.tsv", "text\tlabel\na\tgood\tmore\n", "3 columns in line 2, its header 2"),
        ("x.csv", "text,label\na,good,more\n", "another number of columns in line 2"),
        ("x.csv", 'text,label\n"never closed,good\n', "is not CSV in line 2"),
        ("x.jsonl", '{"text": "a", "label": "good"}\n{"text": \n', "is not JSON in line 2"),
        ("x.jsonl", '["a", "good"]\n', "no JSON object in line 1"),
        ("x.jsonl", '{"text": "half \\ud83d", "label": "good"}\n', "half a character"),
        ("x.parquet", "PAR? no", "is no Parquet file"),
        ("x.txt", "just text\n", "is plain text"),
        ("x.xls", "?", "has the ending '.xls'"),
        ("x.tsv.gz", "not packed", "cannot be read"),
        ("x.tsv.xz", "not packed", "cannot be read"),
    ],
)
def test_a_broken_file_says_what_is_wrong_and_where(folder: Path, name: str, content: str, reason: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    assert reason in refusal(folder, train=name)


def test_a_packed_file_that_was_cut_or_damaged_is_refused(folder: Path) -> None:
    packed = gzip.compress((folder / "train.tsv").read_bytes() * 50)
    for content in (packed[:-20], packed[:30] + b"\x00" * 20 + packed[50:]):
        (folder / "x.tsv.gz").write_bytes(content)
        assert "cannot be read" in refusal(folder, train="x.tsv.gz")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps `datasets` out of the user's cache and off the network."""
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_a_hub_data_set_goes_through_datasets(tmp_path: Path, hub_cache: None) -> None:
    saved = tmp_path / "set"
    saved.mkdir()
    write_csv(saved / "train.csv", ROWS)
    write_csv(saved / "test.csv", [("a new one", "good")])
    data = load_data(Data(hub=str(saved)), LABELS, Path)
    assert data.train.texts == tuple(text for text, _ in ROWS)
    assert data.validation.labels == (1,)
    with pytest.raises(DataError, match="no column 'sentence' but text, label"):
        load_data(Data(hub=str(saved), text="sentence"), LABELS, Path)


def test_a_hub_data_set_without_validation_may_hold_some_of_training_out(tmp_path: Path, hub_cache: None) -> None:
    write_csv(tmp_path / "train.csv", [(f"film {number}", LABELS[number % 2]) for number in range(50)])
    write_csv(tmp_path / "test.csv", [("a new one", "good")])
    data = load_data(Data(hub=str(tmp_path), held_out=0.3), LABELS, Path)
    assert {*data.train.texts, *data.validation.texts} == {f"film {number}" for number in range(50)}
    assert 0 < len(data.validation.texts) < 30


def test_a_hub_that_cannot_be_reached_is_one_clear_error(hub_cache: None) -> None:
    with pytest.raises(DataError, match=r"'nobody/no-such-set' cannot be had .*check id and network"):
        load_data(Data(hub="nobody/no-such-set"), LABELS, Path)
