"""A method is a word in a recipe: it is checked before anything is computed, and ends in a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_recipe import tiny_recipe

from penjing.compress.distill.methods import METHODS
from penjing.pipeline.cli import main
from penjing.pipeline.method_check import check_method
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import make_and_prove, run_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.text_files import read_json
from penjing.pipeline.workspace import Workspace
from penjing.runtime.errors import RecipeError


def recipe_with(folder: Path, **changes: dict[str, Any]) -> Recipe:
    raw = tiny_recipe(folder)
    for section, values in changes.items():
        raw[section] = {**raw[section], **values}
    recipe = check_recipe(raw, "tiny.yaml")
    assert isinstance(recipe, Recipe)
    return recipe


def test_heads_that_differ_are_named_with_the_methods_that_fit(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, student={"heads": 2}, distill={"method": "tinybert"})
    with pytest.raises(RecipeError, match=r"student.heads is 2 and the teacher has 4.*fit as it is: mobilebert, "):
        check_method(recipe)
    with pytest.raises(RecipeError) as error:
        check_method(recipe)
    assert "minilm," not in str(error.value)


def test_a_student_deeper_than_its_teacher_has_no_layer_map(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, student={"layers": 3}, distill={"method": "patient", "transfer_epochs": 0})
    with pytest.raises(RecipeError, match=r"student.layers is 3 but the teacher has 2, so no layer map"):
        check_method(recipe)


def test_a_method_of_one_phase_takes_no_transfer_epochs(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"one phase, which distill.epochs is of, but transfer_epochs is 1"):
        check_method(recipe_with(tmp_path, distill={"method": "logits"}))


def test_a_transfer_without_answers_needs_a_task_phase(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"teaches no answers, but distill.epochs is 0"):
        check_method(recipe_with(tmp_path, distill={"method": "minilm", "epochs": 0}))


def test_relation_heads_must_divide_the_students_width(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, student={"heads": 3, "bottleneck_size": 18}, distill={"method": "minilmv2"})
    with pytest.raises(RecipeError, match="4 relation heads do not divide the student's width of 18"):
        check_method(recipe)


def test_every_method_is_a_word_in_a_recipe_that_fits(tmp_path: Path) -> None:
    for method in (method for method in METHODS if method.name != "meta-kd"):  # which wants domains
        check_method(
            recipe_with(
                tmp_path / method.name, distill={"method": method.name, "transfer_epochs": int(method.transfers)}
            )
        )


def test_an_unknown_method_and_an_unknown_architecture_name_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"distill.method: .*'tinybert'"):
        recipe_with(tmp_path, distill={"method": "tinbert"})
    with pytest.raises(RecipeError, match=r"student: no 'lstm' here: choose of mobilebert, bert, bilstm"):
        recipe_with(tmp_path, student={"architecture": "lstm"})
    raw = tiny_recipe(tmp_path)
    raw["student"]["layrs"] = 3
    with pytest.raises(RecipeError, match="unknown key 'layrs' in section 'student'; did you mean 'layers'"):
        check_recipe(raw, "tiny.yaml")


def test_a_method_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    raw = tiny_recipe(tmp_path)
    raw["student"] = {"architecture": "bert"}
    raw["distill"]["method"] = "tinybert"
    with pytest.raises(RecipeError, match="the teacher itself, which is not distilled"):
        check_recipe(raw, "tiny.yaml")


@pytest.mark.parametrize(
    "distill",
    [
        {"method": "tinybert", "general": {"corpus": [{"file": "plain.txt"}], "epochs": 1, "learning_rate": 2e-3}},
        {"method": "mobilebert-progressive", "statistics": True},
    ],
    ids=lambda distill: str(distill["method"]),
)
def test_a_method_ends_in_proven_files(
    distill: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [line.split("\t")[0] for line in _lines(tmp_path)]
    (tmp_path / "plain.txt").write_text("\n".join(texts), encoding="utf-8")
    inverted = {"transfer_epochs": 1, "epochs": 0, "batch_size": 16}
    teacher = {} if "general" in distill else {"inverted_bottleneck": inverted}
    rates = {"transfer_learning_rate": 2e-3, "learning_rate": 2e-3, "epochs": 3}
    recipe = recipe_with(tmp_path, distill={**distill, **rates}, teacher=teacher)
    made = make_and_prove(recipe, Workspace(tmp_path / "run"))
    assert made.broken == ()
    best = {p.file: p.value for p in made.proof.student if p.split == "validation"}
    assert min(best.values()) > 0.85
    history = read_json(made.student / "history.json")
    assert history["transfer"]
    names = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "run").iterdir() if path.is_dir()}
    assert ("general-student" in names) == ("general" in distill)
    assert ("inverted-bottleneck" in names) == ("general" not in distill)


def test_a_bundle_is_a_black_box_teacher_by_the_logits_that_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_with(tmp_path)
    first = run_recipe(recipe, tmp_path / "first")
    texts = [line.split("\t")[0] for line in _lines(tmp_path)]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    answers = tmp_path / "answers.jsonl"
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(first), "--file", str(tmp_path / "texts.txt"), "--logits", str(answers)])
    assert len(answers.read_text(encoding="utf-8").splitlines()) == len(texts)
    changes = {"teacher": {"answers": str(answers)}, "distill": {"method": "logits", "transfer_epochs": 0, "epochs": 2}}
    made = make_and_prove(recipe_with(tmp_path, **changes), Workspace(tmp_path / "second"))
    (outputs,) = (tmp_path / "second").glob("teacher-outputs-*")
    said = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    asked = [json.loads(line)["text"] for line in (made.data / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    by_text = {row["text"]: [row["negative"], row["positive"]] for row in said}
    assert np.allclose(np.load(outputs / "logits.npy"), [by_text[text] for text in asked])
    assert min(p.value for p in made.proof.student if p.split == "validation") > 0.85


def _lines(folder: Path) -> list[str]:
    tiny_recipe(folder)
    return (folder / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
