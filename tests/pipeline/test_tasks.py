"""Every task of text from recipe to bundle to answers, on both engines, and recipes that do not fit their task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_tasks
import yaml
from command import penjing_command, refusal
from tiny import make_sentences
from tiny_recipe import tiny_recipe

from penjing.compress.tasks import KINDS
from penjing.export.task_file import write_task_file
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import run_in
from penjing.pipeline.sections import Recipe
from penjing.pipeline.task_sections import TEXT_KINDS
from penjing.pipeline.workspace import Workspace
from penjing.runtime import ManyLabels, Number, Prediction, Predictor, Spans, load
from penjing.runtime.bundle import open_bundle
from penjing.runtime.errors import DataError, ExportError, RecipeError
from penjing.runtime.goldens import read_goldens, replay
from penjing.runtime.manifest import read_manifest

Make = Callable[[Path], Any]


def made(tmp_path_factory: pytest.TempPathFactory, make: Make, formats: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("task")
    raw = make(folder)
    raw["export"]["formats"] = formats
    return run_in(check_recipe(raw, "test"), Workspace(folder / "out"), timed=False)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory, tiny_tasks.many_labels, ["onnx"])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory, tiny_tasks.number_of_pairs, ["onnx", "tflite"])


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory, tiny_tasks.token_labels, ["onnx", "tflite"])


@pytest.fixture(scope="module")
def scope(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory, tiny_tasks.out_of_scope, ["onnx"])


def predictors(bundle: Path) -> list[Predictor]:
    opened = [load(bundle, entry.format, entry.precision) for entry in model_entries(bundle)]
    return [each for each in opened if isinstance(each, Predictor)]


def model_entries(bundle: Path) -> list[Any]:
    whole = open_bundle(bundle)
    return [whole.manifest.files[name] for name in whole.model_files]


def replayed(bundle: Path) -> None:
    """All goldens decide alike, in all files."""
    whole = open_bundle(bundle)
    for file in whole.model_files:
        report = replay(whole, file)
        assert (report.flips, report.token_differences) == (0, 0) and report.n > 5
        assert report.largest_difference < 1e-4


def test_many_labels_are_all_found(labels: Path) -> None:
    texts, _ = make_sentences(40, 9)
    for predictor in predictors(labels):
        found = [set(answer.labels) for answer in predictor.predict_many(texts) if isinstance(answer, ManyLabels)]
        right = sum(own == set(tiny_tasks.labels_of(text)) for own, text in zip(found, texts, strict=True))
        assert right >= 36
    replayed(labels)
    manifest = read_manifest(labels)
    assert (manifest.task, manifest.postprocess) == (
        "multi-label-classification", {"function": "sigmoid", "threshold": 0.5},
    )  # fmt: skip
    assert {entry.metric for entry in manifest.quality} == {"micro F1"}


def test_a_pair_is_one_row_of_two_types_and_the_second_text_decides(pairs: Path) -> None:
    firsts, seconds = make_sentences(40, 21)[0], make_sentences(40, 22)
    for predictor in predictors(pairs):
        answers = predictor.predict_many(firsts, pairs=seconds[0])
        values = [answer.value for answer in answers if isinstance(answer, Number)]
        right = sum((value > 25) == bool(mood) for value, mood in zip(values, seconds[1], strict=True))
        assert right >= 34  # the other text's mood says nothing
        alone = predictor.predict(firsts[0], seconds[0][0])
        assert isinstance(alone, Number) and alone == predictor.ask(f"{firsts[0]}\t{seconds[0][0]}")
    replayed(pairs)
    assert {1} <= {kind for golden in read_goldens(pairs) for kind in golden.token_type_ids}
    assert read_manifest(pairs).preprocess["pair"] is True


def test_a_pair_bundle_wants_two_texts_and_another_one(pairs: Path, labels: Path) -> None:
    two, one = predictors(pairs)[0], predictors(labels)[0]
    for refused, message in (
        (lambda: two.predict("good"), "answers two texts together: give the second one too"),
        (lambda: two.predict("good", " "), "the second text is empty"),
        (lambda: two.predict_many(["good", "bad"], pairs=["film"]), "2 texts have 1 second texts"),
        (lambda: two.ask("good film"), "holds 1 texts, not two: put one tab between"),
        (lambda: one.predict("good", "film"), "answers one text: leave the second one out"),
        (lambda: one.predict_many(["good"], pairs=["film"]), "answers one text"),
    ):
        with pytest.raises(DataError, match=message):
            refused()


def test_spans_have_their_place_in_the_text(words: Path) -> None:
    text = "The FILM was  very lovely"
    for predictor in predictors(words):
        answer = predictor.predict(text)
        assert isinstance(answer, Spans)
        assert [(span.label, span.text) for span in answer.spans] == [("thing", "FILM"), ("mood", "very lovely")]
        assert all(text[span.start : span.end] == span.text and 0 < span.score <= 1 for span in answer.spans)
        longer = predictor.predict(" ".join([text] * 9))
        assert isinstance(longer, Spans) and longer.truncated
        many = predictor.predict_many(["film", text, "a plot was dull"])
        assert [len(found.spans) for found in many if isinstance(found, Spans)] == [1, 2, 2]
    replayed(words)
    assert read_manifest(words).labels == ("O", "B-mood", "I-mood", "B-thing", "I-thing")
    assert {entry.metric for entry in read_manifest(words).quality} == {"span F1"}


def test_a_text_about_none_of_the_labels_is_said_to_be_so(scope: Path) -> None:
    manifest = read_manifest(scope)
    after, quality = manifest.postprocess, {(entry.file, entry.split): entry for entry in manifest.quality}
    assert after["function"] == "softmax-reject" and after["calibration"]["false_rejections"] == 0.1
    found = quality["model.onnx", "out-of-scope-validation"]
    assert (found.metric, found.n) == ("out-of-scope recall", 40) and found.low <= found.value <= found.high
    predictor = predictors(scope)[0]
    known, odd = predictor.predict("the film was very lovely"), predictor.predict("qzxj vwkq")
    assert isinstance(known, Prediction) and isinstance(odd, Prediction)
    assert (known.label, known.out_of_scope) == ("positive", False)
    assert odd.out_of_scope == (odd.score < after["threshold"])
    replayed(scope)


def test_the_command_line_answers_every_kind(
    labels: Path, pairs: Path, words: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert penjing_command("predict", str(labels), "a lovely film") == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["labels", "scores", "text"]
    assert penjing_command("predict", str(pairs), "a dull film", "very good", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["text"], shown["pair"], list(shown)[2:]) == ("a dull film", "very good", ["value", "truncated"])
    assert penjing_command("predict", str(words), "the film was bad", "--json") == 0
    assert json.loads(capsys.readouterr().out)["spans"][0] == {
        "start": 4, "end": 8, "label": "thing", "text": "film", "score": pytest.approx(0.9, abs=0.1)
    }  # fmt: skip
    (tmp_path / "two.tsv").write_text("a film\tgood\nbad\tgood\n", encoding="utf-8")
    assert penjing_command("predict", str(pairs), "--file", str(tmp_path / "two.tsv")) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert "holds 1 texts, not two" in refusal(capsys, "predict", str(pairs), "good")
    assert "answers one text" in refusal(capsys, "predict", str(words), "good", "film")
    assert penjing_command("verify", str(words)) == 0


def test_a_reader_of_one_text_with_one_label_gets_no_other(labels: Path, pairs: Path, tmp_path: Path) -> None:
    for bundle in (labels, pairs):
        with pytest.raises(ExportError, match="one text with one label alone"):
            write_task_file(open_bundle(bundle), "model.tflite", tmp_path / "task.tflite")


def test_a_recipe_knows_every_task() -> None:
    assert TEXT_KINDS == KINDS


PAIRS = {"file": "x.tsv", "column": "a", "text_pair": "b"}


@pytest.mark.parametrize(
    ("task", "more", "words"),
    [
        ({"kind": "summary"}, {}, "task.kind is 'summary': choose of text-classification"),
        ({"kind": "regression", "labels": ["a", "b"]}, {}, "regression gives a number, which has no labels"),
        ({"labels": ["a"]}, {}, "text-classification needs at least 2"),
        ({"kind": "token-classification", "labels": ["B-a"]}, {}, "hold the tag 'B-a': name the labels of spans"),
        ({"metric": "span F1"}, {}, "metric is 'span F1', text-classification has accuracy, f1"),
        ({"labels": ["a", "b", "c"], "metric": "f1"}, {}, "of the second of two labels, here are 3"),
        ({"out_of_scope": {"label": "positive"}}, {}, "is one of the labels: take it out"),
        ({"kind": "multi-label-classification", "out_of_scope": {}}, {}, "out_of_scope is for text-classification"),
        ({}, {"data": {"text_pair": "text"}}, "names the column 'text' again: a task of pairs needs two columns"),
        ({}, {"data": {"label_separator": ";"}}, "between the labels of a text that has many"),
        ({"kind": "token-classification"}, {"data": {"text_pair": "b"}}, "data.text_pair does not go with token-cl"),
        ({}, {"data": {"text_pair": "b"}, "distill": {"corpus": [{"file": "x.txt"}]}}, "the task is one of pairs"),
        ({}, {"distill": {"corpus": [PAIRS]}}, "x.tsv is of pairs, but the task is one of single texts"),
        ({}, {"distill": {"general": {"corpus": [PAIRS]}}}, "x.tsv is of pairs, but it learns single texts"),
    ],
)
def test_a_recipe_that_does_not_fit_its_task_says_so_in_one_line(
    task: dict[str, Any], more: dict[str, dict[str, Any]], words: str, tmp_path: Path
) -> None:
    raw = tiny_recipe(tmp_path)
    raw["task"].update(task)
    for section, values in more.items():
        raw[section].update(values)
    with pytest.raises(RecipeError) as caught:
        check_recipe(raw, "test")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_recipe_of_before_names_its_stages_as_before(tmp_path: Path) -> None:
    recipe = check_recipe(tiny_recipe(tmp_path), "test")
    assert isinstance(recipe, Recipe)
    expected = {"kind": "text-classification", "labels": ("negative", "positive"), "max_length": 16}
    assert recipe.task.settings() == expected
    assert set(recipe.data.settings()) == {
        "train", "validation", "test", "hub", "hub_config", "text", "label", "limit",
    }  # fmt: skip
    assert yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))["task"]["out_of_scope"] is None
