"""A BiLSTM student on the one line: recipe to bundle, single and pairs, and recipes that ask it for what it has not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tiny import FILLER, WORDS
from tiny_recipe import tiny_recipe
from tiny_tasks import number_of_pairs

from penjing.pipeline.method_check import check_method
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import make_and_prove, run_in
from penjing.pipeline.sections import Recipe
from penjing.pipeline.workspace import Workspace
from penjing.runtime.errors import DataError, RecipeError
from penjing.runtime.predictor import load_predictor

SIZE = 12


def write_vectors(path: Path, words: tuple[str, ...] = WORDS, size: int = SIZE) -> str:
    """Random ones, in the text format."""
    source = random.Random(4)
    lines = [f"{word} {' '.join(f'{source.gauss(0, 0.3):.4f}' for _ in range(size))}" for word in words]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def with_bilstm(raw: dict[str, Any], folder: Path, **changes: Any) -> dict[str, Any]:
    student = {
        "architecture": "bilstm", "embedding_size": SIZE, "hidden_size": 16, "classifier_size": 16,
        "vectors": write_vectors(folder / "vectors.txt"),
    }  # fmt: skip
    raw["student"] = {**student, **changes}
    raw["distill"] = {"method": "mean-squared-logits", "epochs": 8, "batch_size": 16, "learning_rate": 1e-2}
    return raw


def recipe_of(raw: dict[str, Any]) -> Recipe:
    recipe = check_recipe(raw, "tiny.yaml")
    assert isinstance(recipe, Recipe)
    return recipe


def test_a_bilstm_becomes_a_bundle_with_its_own_words(tmp_path: Path) -> None:
    raw = with_bilstm(tiny_recipe(tmp_path), tmp_path)
    bundle = run_in(recipe_of(raw), Workspace(tmp_path / "run"), timed=False)
    for engine in ("onnx", "tflite"):
        for precision in ("fp32", "int8"):
            predictor = load_predictor(bundle, engine, precision)
            answers = predictor.predict_many(["the plot was GREAT", "a very dull film", "awful"])
            assert [answer.label for answer in answers] == ["positive", "negative", "negative"]
    vocabulary = json.loads((bundle / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert set(vocabulary) == {"[PAD]", "[UNK]", "[MASK]", *WORDS}
    assert json.loads((bundle / "config.json").read_text(encoding="utf-8"))["model_type"] == "bilstm"
    assert "BiLSTM of whole words" in (bundle / "README.md").read_text(encoding="utf-8")


def test_a_pair_goes_through_the_siamese_form(tmp_path: Path) -> None:
    raw = with_bilstm(number_of_pairs(tmp_path), tmp_path)
    raw["export"]["formats"] = ["onnx"]
    raw["limits"] = {"flips": 1.0, "metric_drop": 0.2}
    made = make_and_prove(recipe_of(raw), Workspace(tmp_path / "run"))
    assert json.loads((made.student / "student.json").read_text(encoding="utf-8"))["config"]["siamese"]
    best = {p.file: p.value for p in made.proof.student if p.split == "validation"}
    assert min(best.values()) > 0.8


def test_a_student_that_learns_its_table_needs_no_vectors(tmp_path: Path) -> None:
    raw = with_bilstm(tiny_recipe(tmp_path), tmp_path, vectors=None, channels="trained")
    assert recipe_of(raw).student.layers is None


@pytest.mark.parametrize("method", ["mobilebert", "tinybert", "minilm", "distilbert"])
def test_an_lstm_that_is_asked_for_attention_is_refused_with_what_fits(tmp_path: Path, method: str) -> None:
    raw = with_bilstm(tiny_recipe(tmp_path), tmp_path)
    raw["distill"] = {"method": method}
    with pytest.raises(RecipeError, match=r"a bilstm has no such layers; these fit .*: logits, mean-squared-logits"):
        check_method(recipe_of(raw))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prune": {"budget": {"parameters": 1000}}}, "prune is not for student.architecture bilstm"),
        ({"quantize": {"training": {}}}, "quantize.training is not for student.architecture bilstm"),
        ({"student": {"architecture": "bilstm"}}, "channels is both, but there are no `vectors`"),
        ({"student": {"architecture": "bilstm", "channels": "all"}}, "trained"),
        ({"student": {"architecture": "gru"}}, "bilstm"),
    ],
)
def test_what_an_lstm_has_not_is_refused_at_recipe_time(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    raw = {**with_bilstm(tiny_recipe(tmp_path), tmp_path), **changes}
    with pytest.raises(RecipeError, match=words) as caught:
        check_recipe(raw, "tiny.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "size", "sentence"),
    [
        (FILLER, SIZE + 1, "vectors of 13 numbers, but student.embedding_size is 12"),
        (("xyz",), SIZE, "knows none of the task's"),
    ],
)
def test_vectors_that_do_not_fit_are_said_in_one_line(
    tmp_path: Path, words: tuple[str, ...], size: int, sentence: str
) -> None:
    raw = with_bilstm(tiny_recipe(tmp_path), tmp_path)
    write_vectors(tmp_path / "vectors.txt", words, size)
    with pytest.raises(DataError, match=sentence) as caught:
        make_and_prove(recipe_of(raw), Workspace(tmp_path / "run"))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run").glob("teacher*"))  # said before hours of training
