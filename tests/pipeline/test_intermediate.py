"""A teacher that learns another labelled task first: it learns its own from a few rows, with a head of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import make_sentences, write_table
from tiny_recipe import tiny_recipe

from penjing.compress.teacher import load_teacher
from penjing.pipeline.fit import train_teacher
from penjing.pipeline.reading import read_data
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.text_files import read_json
from penjing.pipeline.workspace import Workspace
from penjing.runtime.errors import DataError, RecipeError


def of_few_rows(folder: Path) -> dict[str, Any]:
    """The tiny recipe on sixteen sentences, and a table of three moods beside it."""
    raw = tiny_recipe(folder)
    write_table(folder / "train.tsv", 16, 1)
    for name, count, seed in (("moods", 320, 5), ("unseen", 60, 6)):
        texts, labels = make_sentences(count, seed)
        moods = ("none" if i % 8 == 0 else ("gloomy", "sunny")[label] for i, label in enumerate(labels))
        rows = [f"{'the film' if mood == 'none' else text}\t{mood}" for text, mood in zip(texts, moods, strict=True)]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence\tmood", *rows]) + "\n", encoding="utf-8")
    return raw


def moods(folder: Path, **data: Any) -> dict[str, Any]:
    files = {"train": str(folder / "moods.tsv"), "validation": str(folder / "unseen.tsv")}
    return {
        "labels": ["gloomy", "none", "sunny"], "epochs": 3, "batch_size": 16, "learning_rate": 3e-3,
        "data": {**files, "text": "sentence", "label": "mood", **data},
    }  # fmt: skip


def taught(raw: dict[str, Any], space: Workspace) -> Path:
    recipe = check_recipe(raw, "test")
    assert isinstance(recipe, Recipe)
    with space.locked():
        return train_teacher(recipe, space, read_data(recipe, space))


def best(teacher: Path) -> float:
    return max(float(point["metric"]) for point in read_json(teacher / "history.json"))


def test_a_task_of_few_rows_is_learnt_after_another_one(tmp_path: Path) -> None:
    raw, space = of_few_rows(tmp_path), Workspace(tmp_path / "out")
    alone = taught(raw, space)
    after = taught({**raw, "teacher": {**raw["teacher"], "intermediate": moods(tmp_path)}}, space)
    assert best(alone) < 0.8 < 0.95 < best(after)
    assert load_teacher(after).config.id2label == {0: "negative", 1: "positive"}
    (first,) = (tmp_path / "out").glob("intermediate-teacher-*")
    assert json.loads((first / "config.json").read_text(encoding="utf-8"))["architectures"] == ["BertModel"]
    assert best(first) > 0.8


def test_what_does_not_go_with_it_is_said_at_recipe_time(tmp_path: Path) -> None:
    raw = of_few_rows(tmp_path)
    teacher = {**raw["teacher"], "intermediate": moods(tmp_path), "few_shot": {"method": "head"}}
    with pytest.raises(RecipeError, match=r"teacher.few_shot and teacher.intermediate both say how"):
        check_recipe({**raw, "teacher": teacher}, "test")


def test_its_labels_are_checked_before_anything_is_trained(tmp_path: Path) -> None:
    raw = of_few_rows(tmp_path)
    section = {**moods(tmp_path), "labels": ["gloomy", "sunny"]}
    with pytest.raises(DataError, match=r"moods.tsv has the label 'none'"):
        taught({**raw, "teacher": {**raw["teacher"], "intermediate": section}}, Workspace(tmp_path / "out"))
    assert not list((tmp_path / "out").glob("teacher-*"))
