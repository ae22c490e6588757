"""Few labelled texts and plain text make a teacher; all that comes after it is as ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import make_sentences, write_table
from tiny_recipe import tiny_recipe

from penjing.compress.masked_lm import open_masked_lm, save_masked_lm
from penjing.compress.teacher import load_teacher
from penjing.pipeline.few_shot import make_few_shot_teacher
from penjing.pipeline.fit import train_teacher
from penjing.pipeline.judge import transformers_opens_teacher
from penjing.pipeline.reading import read_corpora, read_data
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import run_in
from penjing.pipeline.sections import Recipe
from penjing.pipeline.text_files import read_json
from penjing.pipeline.workspace import Workspace
from penjing.runtime import load
from penjing.runtime.errors import DataError, RecipeError, TrainingError

PET = {
    "method": "pet", "patterns": ["{text} the film was {mask}", "{mask} : {text}"],
    "words": {"negative": "bad", "positive": "good"}, "steps": 300, "learning_rate": 2e-3, "head_steps": 100,
}  # fmt: skip
CONTRASTIVE = {"method": "contrastive", "steps": 150, "learning_rate": 3e-3, "head_steps": 40}


def few_shot_recipe(folder: Path, few_shot: dict[str, Any], *, plain: bool = True, **sections: Any) -> Any:
    """Forty labelled texts or so of each class, and plain text of the same kind."""
    raw = tiny_recipe(folder)
    write_table(folder / "train.tsv", 80, 1)
    (folder / "plain.txt").write_text("\n".join(make_sentences(200, 7)[0]), encoding="utf-8")
    raw["teacher"] = {**raw["teacher"], "few_shot": few_shot}
    raw["distill"] = {
        "method": "logits", "epochs": 12, "transfer_epochs": 0, "batch_size": 16, "learning_rate": 3e-3,
        **({"corpus": [{"file": str(folder / "plain.txt")}]} if plain else {}),
    }  # fmt: skip
    raw["export"] = {"formats": ["onnx"], "metadata": False}
    raw["limits"] = {"flips": 0.2, "metric_drop": 0.2}
    for name, values in sections.items():
        raw[name] = {**raw[name], **values}
    return raw


def checked(raw: Any) -> Recipe:
    recipe = check_recipe(raw, "tiny.yaml")
    assert isinstance(recipe, Recipe)
    return recipe


def test_a_few_shot_teacher_teaches_a_student_that_is_shipped(tmp_path: Path) -> None:
    recipe = checked(few_shot_recipe(tmp_path, {"method": "head"}))
    bundle = load(run_in(recipe, Workspace(tmp_path / "run"), timed=False))
    texts, labels = make_sentences(60, 5)
    said = [answer.label for answer in bundle.predict_many(texts)]
    right = [recipe.task.labels[label] for label in labels]
    assert sum(a == b for a, b in zip(said, right, strict=True)) > 0.85 * len(right)
    assert (tmp_path / "run" / "report.html").is_file()
    assert not transformers_opens_teacher(recipe)


@pytest.mark.parametrize("few_shot", [PET, CONTRASTIVE], ids=["pet", "contrastive"])
def test_prompts_make_a_teacher_as_any(few_shot: dict[str, Any], tmp_path: Path) -> None:
    raw = {**few_shot_recipe(tmp_path, few_shot), "seed": 2}
    made = made_teacher(raw, tmp_path)
    assert transformers_opens_teacher(checked(raw))
    assert max(point["metric"] for point in read_json(made / "history.json")) > 0.85
    assert load_teacher(made).config.model_type == "bert"
    assert list((tmp_path / "run").glob("masked-lm*"))


def test_a_head_does_not_depend_on_plain_text(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "run")

    def teacher(plain: bool) -> Path:
        recipe = checked(few_shot_recipe(tmp_path, {"method": "head"}, plain=plain))
        return train_teacher(recipe, space, read_data(recipe, space))

    assert teacher(True) == teacher(False)


def test_without_a_head_and_without_plain_text_there_are_no_prompts(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"has no masked-LM head, and there is no plain text .* distill.corpus"):
        made_teacher(few_shot_recipe(tmp_path, PET, plain=False), tmp_path)


def test_a_teacher_with_its_own_masked_lm_head_needs_no_plain_text(tmp_path: Path) -> None:
    raw = few_shot_recipe(tmp_path, {**PET, "steps": 2}, plain=False)
    save_masked_lm(open_masked_lm(str(tmp_path / "encoder")).model, tmp_path / "encoder")
    assert load_teacher(made_teacher(raw, tmp_path)).config.num_labels == 2
    assert not list((tmp_path / "run").glob("masked-lm*"))


def test_a_word_of_two_tokens_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    words = {"negative": "bad", "positive": "superb"}
    with pytest.raises(TrainingError, match="'superb' for 'positive' is s ##u"):
        made_teacher(few_shot_recipe(tmp_path, {**PET, "words": words}), tmp_path)
    assert not list((tmp_path / "run").glob("masked-lm*"))


def test_a_class_with_one_text_is_named(tmp_path: Path) -> None:
    raw = few_shot_recipe(tmp_path, {"method": "head"})
    rows = ["text\tlabel", "bad film\tnegative", "dull plot\tnegative", "good film\tpositive"]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="has 1 of the label 'positive', few-shot learning needs at least 2"):
        made_teacher(raw, tmp_path)


def made_teacher(raw: Any, folder: Path) -> Path:
    recipe, space = checked(raw), Workspace(folder / "run")
    section = recipe.teacher.few_shot
    assert section is not None
    data = read_data(recipe, space)
    return make_few_shot_teacher(recipe, section, space, data, read_corpora(recipe, space, data))


@pytest.mark.parametrize(
    ("few_shot", "sections", "problem"),
    [
        ({"method": "pet"}, {}, "pet has no patterns"),
        ({**PET, "words": {"negative": "bad"}}, {}, "words has no word for the label 'positive'"),
        ({**PET, "words": {**PET["words"], "odd": "a"}}, {}, "has a word for 'odd'; task.labels has negative"),
        ({**PET, "patterns": ["{text} {prompt} {mask}"]}, {}, r"pet have words, no \{prompt\}"),
        ({**PET, "patterns": ["{text} was good"]}, {}, r"has \{mask\} 0 times"),
        ({"method": "head", "words": {"a": "b"}}, {}, "head has no prompts"),
        ({**CONTRASTIVE, "words": {"a": "b"}}, {}, "takes no words for classes"),
        ({"method": "setfit"}, {}, "'head', 'pet' or 'contrastive'"),
        ({"method": "head"}, {"data": {"text_pair": "other"}}, "for one label of one text, not for pairs of texts"),
        ({"method": "head"}, {"task": {"kind": "multi-label-classification"}}, "not for multi-label-classification"),
        ({"method": "head"}, {"teacher": {"answers": "a.tsv", "few_shot": {}}}, "both say how the teacher is made"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(
    few_shot: dict[str, Any], sections: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=problem):
        check_recipe(few_shot_recipe(tmp_path, few_shot, **sections), "tiny.yaml")


def test_a_student_that_takes_over_the_head_of_cls_does_not_go_with_a_pooled_one(tmp_path: Path) -> None:
    raw = few_shot_recipe(tmp_path, {"method": "head"})
    raw["student"] = {"architecture": "bert", "layers": 1}
    with pytest.raises(RecipeError, match=r"student\.architecture bert takes over a head of"):
        check_recipe(raw, "tiny.yaml")
