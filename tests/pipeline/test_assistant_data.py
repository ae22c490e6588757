"""The built-in data set keeps what its README promises: sizes, balance, and a test part with its own wording."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import penjing.pipeline
from penjing.compress.tables import read_table

FOLDER = Path(penjing.pipeline.__path__[0]) / "recipes" / "assistant"
SPLITS = ("train", "validation", "test")
RUN_OF_WORDS = 5


@cache
def rows(split: str) -> tuple[tuple[str, str], ...]:
    """(text, label) of one split, read as the pipeline reads it."""
    return tuple((row["text"], row["label"]) for row in read_table(FOLDER / f"{split}.tsv", ("text", "label")))


def words(text: str) -> list[str]:
    """Words without case and punctuation, so that a comma hides no copy."""
    return re.findall(r"[\w']+", text.lower())


def runs(text: str) -> set[tuple[str, ...]]:
    """Every run of RUN_OF_WORDS words."""
    found = words(text)
    return {tuple(found[i : i + RUN_OF_WORDS]) for i in range(len(found) - RUN_OF_WORDS + 1)}


def test_there_are_a_thousand_utterances_and_twelve_intents() -> None:
    everything = [row for split in SPLITS for row in rows(split)]
    assert len(everything) >= 1000
    assert len({label for _, label in everything}) >= 12


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_every_label_equally_often(split: str) -> None:
    counts = Counter(label for _, label in rows(split))
    assert set(counts) == {label for _, label in rows("train")}
    assert len(set(counts.values())) == 1


def test_no_utterance_stands_twice() -> None:
    counts = Counter(" ".join(words(text)) for split in SPLITS for text, _ in rows(split))
    assert [text for text, times in counts.items() if times > 1] == []


def test_no_test_utterance_shares_five_words_in_a_row_with_training() -> None:
    known = {run for text, _ in rows("train") for run in runs(text)}
    assert known
    assert [text for text, _ in rows("test") if runs(text) & known] == []


@pytest.mark.parametrize("split", SPLITS)
def test_the_files_are_plain(split: str) -> None:
    """LF and UTF-8, two columns, no stray spaces, and no text that a reader with quoting would read differently."""
    lines = (FOLDER / f"{split}.tsv").read_bytes().decode("utf-8").split("\n")
    assert lines[0] == "text\tlabel"
    assert lines[-1] == ""
    for line in lines[1:-1]:
        text, label = line.split("\t")
        assert text == " ".join(text.split())
        assert text
        assert not text.startswith('"')
        assert re.fullmatch(r"[a-z_]+", label)


def test_the_readme_states_the_sizes_and_shows_a_training_utterance_of_each_intent() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for split in SPLITS:
        found = rows(split)
        labels = len({label for _, label in found})
        assert f"| `{split}.tsv` | {len(found)} | {len(found) // labels} |" in readme
    shown = {(text, label) for label, text in re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", readme, re.MULTILINE)}
    assert shown <= set(rows("train"))
    assert {label for _, label in shown} == {label for _, label in rows("train")}
