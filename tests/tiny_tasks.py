"""Tiny recipes of every task of text, on sentences whose answer a word or two decide."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tiny import FILLER, NEGATIVE, POSITIVE, make_sentences
from tiny_recipe import tiny_recipe

Rows = Sequence[Sequence[str]]
LETTERS = "qzxjkvw"
"""Words of these are in no sentence of the tasks."""


def task_recipe(folder: Path, task: dict[str, Any], columns: Sequence[str], rows: Callable[[int, int], Rows]) -> Any:
    """A tiny recipe of `task`, whose files hold `rows(count, seed)` in `columns`."""
    raw = tiny_recipe(folder)
    for name, count, seed in (("train", 320, 1), ("validation", 80, 2)):
        lines = ["\t".join(cells) for cells in (columns, *rows(count, seed))]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    raw["task"] = {"max_length": 24, **task}
    raw["teacher"].update(epochs=6)
    raw["distill"].update(transfer_epochs=4, epochs=2)
    raw["export"] = {"sequence_lengths": [24], "metadata": False}
    raw["limits"] = {"flips": 0.3, "metric_drop": 0.2}
    return raw


def many_labels(folder: Path) -> Any:
    """Labels: good where a positive word stands, film and plot where these words do."""

    def rows(count: int, seed: int) -> Rows:
        return [(text, ",".join(labels_of(text))) for text in make_sentences(count, seed)[0]]

    task = {"kind": "multi-label-classification", "labels": ["good", "film", "plot"]}
    return task_recipe(folder, task, ("text", "label"), rows)


def labels_of(text: str) -> list[str]:
    """The labels of such a sentence."""
    words = set(text.split())
    return [*(["good"] if words & set(POSITIVE) else []), *(word for word in ("film", "plot") if word in words)]


def number_of_pairs(folder: Path) -> Any:
    """40 where the second text is positive, else 10; the first text has a mood of its own."""

    def rows(count: int, seed: int) -> Rows:
        firsts, _ = make_sentences(count, seed + 10)
        seconds, moods = make_sentences(count, seed)
        return [
            (first, second, "40" if mood else "10") for first, second, mood in zip(firsts, seconds, moods, strict=True)
        ]

    raw = task_recipe(folder, {"kind": "regression", "metric": "pearson"}, ("text", "other", "label"), rows)
    raw["data"]["text_pair"] = "other"
    raw["teacher"].update(epochs=10)
    lines = ["text\tother", *("\t".join(row[:2]) for row in rows(40, 77))]
    (folder / "more.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    raw["distill"]["corpus"] = [{"file": str(folder / "more.tsv"), "column": "text", "text_pair": "other"}]
    return raw


def token_labels(folder: Path) -> Any:
    """Spans: mood, a mood word with the `very` before it; thing, film or plot."""

    def rows(count: int, seed: int) -> Rows:
        source = random.Random(seed)
        made = []
        for _ in range(count):
            words = [source.choice(FILLER) for _ in range(source.randrange(2, 7))]
            place = source.randrange(len(words))
            words[place:place] = [*(["very"] if source.random() < 0.5 else []), source.choice(POSITIVE + NEGATIVE)]
            made.append((" ".join(words), " ".join(tags_of(words))))
        return made

    task = {"kind": "token-classification", "labels": ["mood", "thing"]}
    return task_recipe(folder, task, ("text", "label"), rows)


def tags_of(words: Sequence[str]) -> list[str]:
    """The tags of such a sentence."""
    tags = []
    for i, word in enumerate(words):
        if word in POSITIVE + NEGATIVE:
            tags.append("I-mood" if i and words[i - 1] == "very" else "B-mood")
        elif word == "very" and i + 1 < len(words) and words[i + 1] in POSITIVE + NEGATIVE:
            tags.append("B-mood")
        else:
            tags.append("B-thing" if word in ("film", "plot") else "O")
    return tags


def out_of_scope(folder: Path) -> Any:
    """The two moods, and texts without any, which only tell how many of them are found."""
    raw = tiny_recipe(folder)
    source = random.Random(3)
    texts = [" ".join("".join(source.choices(LETTERS, k=4)) for _ in range(4)) for _ in range(40)]
    (folder / "odd.tsv").write_text("\n".join(["text", *texts]) + "\n", encoding="utf-8")
    raw["task"]["out_of_scope"] = {"validation": str(folder / "odd.tsv"), "false_rejections": 0.1}
    raw["export"] = {"sequence_lengths": [16], "metadata": False}
    return raw
