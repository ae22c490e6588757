"""A student of two towers on the one line: recipe to bundle to answers, and recipes that it does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import make_sentences
from tiny_recipe import tiny_recipe
from tiny_sentences import tiny_sentences
from tiny_tasks import Rows, task_recipe

from penjing.pipeline.method_check import check_method
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import run_in
from penjing.pipeline.sections import Recipe
from penjing.pipeline.target_profile.predict import student_of
from penjing.pipeline.workspace import Workspace
from penjing.runtime import Prediction, Predictor, load
from penjing.runtime.bundle import open_bundle
from penjing.runtime.errors import RecipeError
from penjing.runtime.goldens import replay


def both_good(count: int, seed: int) -> Rows:
    """Two sentences, and whether both are positive."""
    firsts, moods = make_sentences(count, seed + 10)
    seconds, others = make_sentences(count, seed)
    names = ("both" if mood and other else "not both" for mood, other in zip(moods, others, strict=True))
    return list(zip(firsts, seconds, names, strict=True))


def two_towers(folder: Path) -> dict[str, Any]:
    raw: dict[str, Any] = task_recipe(folder, {"labels": ["not both", "both"]}, ("one", "two", "label"), both_good)
    raw["data"] |= {"text": "one", "text_pair": "two"}
    raw["teacher"].update(epochs=8)
    raw["export"]["formats"] = ["onnx"]  # the other one: tests/export
    raw["student"] |= {"towers": "two"}
    raw["distill"] = {"method": "logits", "epochs": 3, "batch_size": 16, "learning_rate": 2e-3}
    return raw


def recipe_of(raw: dict[str, Any]) -> Recipe:
    recipe = check_recipe(raw, "tiny.yaml")
    assert isinstance(recipe, Recipe)
    return recipe


def test_two_towers_become_a_bundle_that_answers_pairs(tmp_path: Path) -> None:
    bundle = run_in(recipe_of(two_towers(tmp_path)), Workspace(tmp_path / "run"), timed=False)
    whole = open_bundle(bundle)
    pairs = both_good(60, 31)
    for file in whole.model_files:
        report, entry = replay(whole, file), whole.manifest.files[file]
        assert (report.flips, report.token_differences) == (0, 0) and report.n > 5
        predictor = load(bundle, entry.format, entry.precision)
        assert isinstance(predictor, Predictor)
        answers = predictor.predict_many([a for a, _, _ in pairs], pairs=[b for _, b, _ in pairs])
        labels = [answer.label for answer in answers if isinstance(answer, Prediction)]
        assert sum(own == label for own, (*_, label) in zip(labels, pairs, strict=True)) >= 54
    assert json.loads((bundle / "config.json").read_text(encoding="utf-8"))["model_type"] == "mobilebert-two-towers"
    assert "student of two towers distilled from" in (bundle / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["mobilebert", "tinybert", "minilm", "patient"])
def test_a_method_that_asks_for_layers_is_refused_with_what_fits(tmp_path: Path, method: str) -> None:
    raw = two_towers(tmp_path)
    raw["distill"] = {"method": method}
    with pytest.raises(RecipeError, match=r"a tower reads one alone; these fit as it is: logits, mean-squ") as caught:
        check_method(recipe_of(raw))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student": {"towers": "three"}}, "student.towers"),
        ({"student": {"architecture": "bilstm", "channels": "trained", "towers": "two"}}, "towers"),
        ({"quantize": {"training": {}}}, "quantize.training learns layer by layer, which student.towers does not"),
        ({"teacher": {"inverted_bottleneck": {}}}, "teacher.inverted_bottleneck learns layer by layer"),
    ],
)
def test_what_two_towers_have_not_is_refused_at_recipe_time(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    raw = two_towers(tmp_path) | changes
    if "student" not in changes:
        raw["student"] = {"towers": "two"}
    with pytest.raises(RecipeError, match=words) as caught:
        check_recipe(raw, "tiny.yaml")
    assert "\n" not in str(caught.value)


def test_towers_are_for_pairs_and_for_nothing_else(tmp_path: Path) -> None:
    single, vectors = tiny_recipe(tmp_path / "one"), tiny_sentences(tmp_path / "two")
    for raw in (single, vectors):
        raw["student"]["towers"] = "two"
        with pytest.raises(RecipeError, match=r"student\.towers is for pairs"):
            check_recipe(raw, "tiny.yaml")
    with pytest.raises(RecipeError, match="latency is foretold for one tower"):
        student_of(recipe_of(two_towers(tmp_path / "three")))


def test_a_student_of_before_names_its_stage_as_before(tmp_path: Path) -> None:
    assert "towers" not in recipe_of(tiny_recipe(tmp_path)).student.model_dump(exclude_none=True)
