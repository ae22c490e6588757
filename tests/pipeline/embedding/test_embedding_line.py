"""A sentence encoder from recipe to command line: vectors of both engines, an index of lines, and what is refused."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command import penjing_command, refusal
from test_claims import problems
from tiny import make_sentences
from tiny_sentences import tiny_sentences

from penjing.compress.embedding.measures import cosines, spearman
from penjing.pipeline.embedding.fit import read_split, read_texts_of
from penjing.pipeline.embedding.proof import broken_limits, compare_vectors, distinct_texts
from penjing.pipeline.embedding.sections import EmbeddingRecipe
from penjing.pipeline.publish import publish
from penjing.pipeline.recipe import built_in_recipes, check_recipe, load_recipe
from penjing.pipeline.run import make_embedding, run_in, run_recipe
from penjing.pipeline.workspace import Workspace
from penjing.runtime import load_embedder
from penjing.runtime.errors import DataError, ExportError, RecipeError


def checked(raw: dict[str, Any]) -> EmbeddingRecipe:
    recipe = check_recipe(raw, "test")
    assert isinstance(recipe, EmbeddingRecipe)
    return recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("sentences")
    raw = tiny_sentences(folder)
    run_in(checked(raw), Workspace(folder / "out"), timed=False)
    return raw, folder / "out"


@pytest.fixture(scope="module")
def index(finished: tuple[dict[str, Any], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    lines = list(dict.fromkeys(make_sentences(80, 9)[0]))
    (folder / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = ("--file", str(folder / "lines.txt"), "--to", str(folder / "films"))
    assert penjing_command("embed", str(finished[1] / "bundle"), *arguments) == 0
    return folder / "films"


def test_every_file_keeps_the_torch_students_vectors(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    space = Workspace(out)
    with space.locked():
        made = make_embedding(checked(raw), space)
    files = {p.file for p in made.proof.files}
    assert files == {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"}
    assert {p.split for p in made.proof.files} == {"validation", "test"}
    plain = [p for p in made.proof.files if ".int8." not in p.file]
    assert min(p.cosine for p in plain) > 0.9999 and max(p.flips for p in plain) == 0
    own, taught = made.proof.on("validation"), made.teacher_proof.on("validation")
    assert own.low < own.value < own.high and own.n == 60
    assert own.value > taught.value - 0.1
    assert not made.broken


def test_the_metric_is_that_of_the_bundles_own_vectors(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    space = Workspace(out)
    with space.locked():
        made = make_embedding(checked(raw), space)
    embedder, pairs = load_embedder(out / "bundle", "onnx", "fp32"), read_split(made.data, "test")
    first, second = (embedder.embed_many([getattr(p, side) for p in pairs]).vectors for side in ("first", "second"))
    found = spearman(cosines(first, second), np.array([p.score for p in pairs]))
    proof = next(p for p in made.proof.files if p.file == "model.onnx" and p.split == "test")
    assert found == pytest.approx(proof.value, abs=1e-3)


def test_no_held_out_text_is_learnt_from(finished: tuple[dict[str, Any], Path]) -> None:
    data = next(finished[1].glob("sentences-*"))
    held_out = {text for name in ("validation", "test") for p in read_split(data, name) for text in (p.first, p.second)}
    assert not held_out & set(read_texts_of(data))


def test_the_report_and_the_card_stand_beside_the_bundle(finished: tuple[dict[str, Any], Path]) -> None:
    out = finished[1]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert {row["metric"] for row in report["models"]} == {"spearman"}
    assert report["agreement"]["n"] == 60
    assert "Spearman" in (out / "report.md").read_text(encoding="utf-8")
    card = (out / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "alignment" in card and "uniformity" in card and "8, 16" in card


def test_a_second_run_computes_nothing_again(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*-????????????")}
    run_in(checked(raw), Workspace(out), timed=False)
    assert before == {path.name: path.stat().st_mtime_ns for path in out.glob("*-????????????")}


def test_verify_inspect_and_bench_work_on_the_bundle(
    finished: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle = str(finished[1] / "bundle")
    assert penjing_command("verify", bundle) == 0
    assert "4 of 4 model files" in capsys.readouterr().out
    assert penjing_command("inspect", bundle) == 0
    shown = capsys.readouterr().out
    assert "numbers of a vector\t8, 16, 32" in shown and "spearman" in shown and "labels" not in shown
    # Sustained for a second: the engines alone, which is what a vector changes.
    options = ("--mode", "sustained", "--seconds", "1", "--length", "8", "--threads", "1")
    assert penjing_command("bench", bundle, *options, "--json", str(tmp_path / "run.json")) == 0
    assert "model.int8.onnx" in capsys.readouterr().out


def test_an_index_finds_a_line_by_itself_and_by_its_likes(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = make_sentences(80, 9)[0][7]
    assert penjing_command("search", str(index), query, "-k", "3", "--json") == 0
    hits = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(hits) == 3 and hits[0]["text"] == query
    assert hits[0]["score"] > 0.999 and hits[0]["score"] >= hits[1]["score"] >= hits[2]["score"]
    assert penjing_command("search", str(index), query, "-k", "1") == 0
    assert capsys.readouterr().out.splitlines()[0] == "score\tline\ttext"


def test_an_index_of_short_vectors_is_searched_with_short_ones(
    finished: tuple[dict[str, Any], Path], index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, lines = str(finished[1] / "bundle"), str(index.parent / "lines.txt")
    assert penjing_command("embed", bundle, "--file", lines, "--to", str(tmp_path / "short"), "--size", "8") == 0
    assert "size\t8" in capsys.readouterr().out
    query = make_sentences(80, 9)[0][7]
    assert penjing_command("search", str(tmp_path / "short"), query, "-k", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["text"] == query


def test_wrong_uses_are_refused_in_one_line(
    finished: tuple[dict[str, Any], Path], index: Path, tiny_bundle: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bundle, lines = str(finished[1] / "bundle"), str(index.parent / "lines.txt")
    assert "gives vectors: use `penjing embed`" in refusal(capsys, "predict", bundle, "a film")
    assert "no detector: use `penjing embed`" in refusal(capsys, "watch", bundle)
    assert "is a sentence encoder, which the app does not know" in refusal(capsys, "android", bundle)
    assert "it is a sentence encoder's" in refusal(capsys, "task-file", bundle, str(tmp_path / "x.tflite"))
    assert "it has no threshold to calibrate" in refusal(capsys, "calibrate", bundle, lines, "--false-alarms", "0.1")
    target = ("--to", str(tmp_path / "x"))
    assert "use `penjing predict`" in refusal(capsys, "embed", str(tiny_bundle), "--file", lines, *target)
    assert "choose of 8, 16, 32" in refusal(capsys, "embed", bundle, "--file", lines, *target, "--size", "9")
    assert "no file" in refusal(capsys, "embed", bundle, "--file", lines + "x", *target)
    folder = ("--to", str(index.parent))
    assert "is no index of vectors: name a new folder" in refusal(capsys, "embed", bundle, "--file", lines, *folder)
    assert "is no index of vectors" in refusal(capsys, "search", str(tmp_path), "a film")
    assert "the text is empty" in refusal(capsys, "search", str(index), " ")
    assert "does not hold the model that the index was made with" in refusal(
        capsys, "search", str(index), "a film", "--bundle", str(tiny_bundle)
    )
    assert "say where it is with --bundle" in refusal(
        capsys, "search", str(index), "a film", "--bundle", str(tmp_path / "gone")
    )
    assert not (tmp_path / "x").exists()


def test_a_bundle_that_was_moved_is_found_with_bundle(
    finished: tuple[dict[str, Any], Path], index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(finished[1] / "bundle", tmp_path / "moved")
    assert penjing_command("search", str(index), "a good film", "--bundle", str(moved), "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_published_claims_follow_from_proof_and_run(finished: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    raw, out = finished
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    publish(str(tmp_path / "recipe.yaml"), (1,), out, tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    claims = {claim["id"].removeprefix("tiny-sentences."): claim for claim in result["claims"]}
    assert [problem for claim in result["claims"] for problem in problems(claim)] == []
    own, taught = (
        next(p for p in proof["torch"] if p["split"] == "test")
        for proof in (*result["proofs"], result["teacher_proof"])
    )
    assert claims["student.test"]["value"] == own["value"] and claims["student.test"]["n"] == 40
    assert claims["share.test"]["value"] == pytest.approx(own["value"] / taught["value"])
    files = [p for p in result["proofs"][0]["files"] if p["split"] == "validation"]
    assert claims["neighbours"]["value"] == max(p["flips"] for p in files) / 60
    assert {m["condition"]["kind"] for m in result["run"]["measurements"]} >= {"warm", "text", "cold"}
    assert claims["speed.fp32"]["value"] > 0


def test_a_teacher_is_trained_by_simcse(tmp_path: Path) -> None:
    raw = tiny_sentences(tmp_path)
    sentences = make_sentences(60, 4)[0]
    rows = [f"{text}\t{' '.join(reversed(text.split()))}\t{other}" for text, other in pairwise(sentences)]
    (tmp_path / "groups.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    groups = {"file": str(tmp_path / "groups.tsv"), "names": ["a", "b", "c"], "columns": ["a", "b", "c"]}
    short = {"epochs": 1, "batch_size": 16, "evaluations_per_epoch": 1}
    raw["task"] |= {"size": 16, "cuts": []}
    raw["teacher"]["simcse"] = {**short, "pairs": groups, "hard_negative_weight": 0.5}
    raw["export"]["formats"], raw["quantize"] = ["onnx"], {"precisions": ["fp32"]}
    space = Workspace(tmp_path / "out")
    with space.locked():
        made = make_embedding(checked(raw), space)
    said = json.loads((made.teacher / "sentence.json").read_text(encoding="utf-8"))
    assert said == {"pooling": "mean", "head": "always"}
    assert len(json.loads((made.teacher / "history.json").read_text(encoding="utf-8"))) == 1
    assert made.proof.on("validation").value > made.teacher_proof.on("validation").value - 0.3


def test_a_file_beyond_a_limit_stops_the_run_and_says_by_how_much(
    finished: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    raw, out = finished
    copy = Path(shutil.copytree(out, tmp_path / "out"))
    with pytest.raises(ExportError, match=r"a vector has a cosine of 0\.\d+ .* below limits.cosine 1"):
        run_recipe(checked({**raw, "limits": {**raw["limits"], "cosine": 1.0}}), copy)
    assert (copy / "report.html").is_file()


def test_flips_are_counted_where_the_nearest_text_changes() -> None:
    reference = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    places, scores = np.array([[0, 1], [2, 3], [1, 2]]), np.array([5.0, 4.0, 0.0])
    moved = reference.copy()
    moved[0] = [0.1, 1.0]
    proof, _ = compare_vectors(moved, reference, places, scores, file="model.int8.onnx", split="validation", seed=1)
    # The first text is now nearest to others, and the second, whose nearest it was, has none of it any more.
    assert (proof.flips, proof.n) == (3, 3) or proof.flips == 2
    broken, _ = compare_vectors(
        np.where(reference == 1.0, np.nan, reference), reference, places, scores, file="x", split="validation", seed=1
    )
    assert broken.not_numbers == 2 and broken.flips >= 2
    limits = checked(
        {"name": "x", "task": {"kind": "embedding"}, "data": {"validation": "v", "texts": [{"file": "t"}]}}
    )
    sentences = broken_limits(broken, limits.limits)
    assert any("not numbers" in sentence for sentence in sentences)


def test_a_text_that_stands_in_many_pairs_is_one_text() -> None:
    from penjing.compress.embedding.texts import ScoredPair

    texts, places = distinct_texts([ScoredPair("a", "b", 1), ScoredPair("b", "c", 2), ScoredPair("a", "c", 3)])
    assert texts == ["a", "b", "c"] and places.tolist() == [[0, 1], [1, 2], [0, 2]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": {"kind": "embedding", "cuts": [16, 8]}}, "give them ascending"),
        ({"task": {"kind": "embedding", "size": 16, "cuts": [16]}}, "a cut of 16 does not shorten vectors of 16"),
        ({"task": {"kind": "embedding", "max_length": 4}}, "benchmark.lengths has 8, but task.max_length is 4"),
        ({"distill": {"vector_weight": 0, "structure_weight": 0}}, "so nothing is learnt"),
        ({"teacher": {"simcse": {"temprature": 1}}}, "did you mean 'temperature'?"),
        ({"student": {"architecture": "bert"}}, "student.architecture"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_when_it_is_read(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        check_recipe({**tiny_sentences(tmp_path), **change}, "test")


def test_vectors_longer_than_the_teachers_are_refused(tmp_path: Path) -> None:
    raw = tiny_sentences(tmp_path)
    raw["task"] |= {"size": 64, "cuts": []}
    with pytest.raises(RecipeError, match=r"vectors of 64 numbers .* which gives 32: lower task.size"):
        run_recipe(checked(raw), tmp_path / "out")


def test_a_missing_file_of_pairs_is_named(tmp_path: Path) -> None:
    raw = tiny_sentences(tmp_path)
    raw["data"]["validation"] += "x"
    with pytest.raises(DataError, match="no file"):
        run_recipe(checked(raw), tmp_path / "out")


def test_the_built_in_recipe_is_valid() -> None:
    assert "stsb" in built_in_recipes()
    assert isinstance(load_recipe("stsb"), EmbeddingRecipe)
