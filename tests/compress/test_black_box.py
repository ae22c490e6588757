"""A table of another model's answers, as a teacher of which nothing else is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from penjing.compress.black_box import read_answers
from penjing.compress.data import Split
from penjing.runtime.errors import DataError

LABELS = ("no", "yes")
SPLIT = Split(("a film", "the plot", "a film"), (0, 1, 0))


def write(folder: Path, text: str, name: str = "answers.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_logits_are_found_by_text_whatever_the_order(tmp_path: Path) -> None:
    path = write(tmp_path, "yes\ttext\tno\n2.5\tthe plot\t-1\n0\tother\t9\n1\ta film\t3\n")
    answers = read_answers(path, SPLIT, LABELS)
    assert answers.logits is not None
    assert np.array_equal(answers.logits, np.array([[3, 1], [-1, 2.5], [3, 1]], np.float32))
    assert answers.labels == (0, 1, 0)


def test_labels_alone_do_by_name_or_number(tmp_path: Path) -> None:
    answers = read_answers(write(tmp_path, "text\tlabel\na film\tyes\nthe plot\t0\n"), SPLIT, LABELS)
    assert (answers.logits, answers.labels) == (None, (1, 0, 1))


def test_pairs_are_found_by_both_texts(tmp_path: Path) -> None:
    rows = [{"text": "a", "pair": second, "no": float(i), "yes": 0.5} for i, second in enumerate("bc")]
    path = write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "answers.jsonl")
    answers = read_answers(path, Split(("a", "a"), (0, 1), pairs=("c", "b")), LABELS)
    assert answers.logits is not None
    assert answers.logits[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text\tno\tyes\na film\t1\t2\n", r"answers 2 of the 3 training texts, not row 2 \('the plot'\): ask it all"),
        ("text\tno\tmaybe\na film\t1\t2\n", r"neither a column of logits for each of task.labels \(no, yes\) nor"),
        ("text\tlabel\na film\tmaybe\nthe plot\tno\n", "has the label 'maybe', task.labels has no, yes"),
        ("text\tno\tyes\na film\t1\tnan\nthe plot\t1\t2\n", "has the logit 'nan', which is no number"),
        ("text\tno\tyes\na film\t1\tlots\nthe plot\t1\t2\n", "has the logit 'lots', which is no number"),
        ("sentence\tno\tyes\na film\t1\t2\n", "has no column 'text'"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_answers(write(tmp_path, text), SPLIT, LABELS)
