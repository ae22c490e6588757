"""A detector's recipe from data to report: what is proven, shipped and told; what a bad recipe says; a second run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penjing.compress.samples import SampleSet
from penjing.pipeline.detection.proof import TORCH, FileProof, broken_limits, compare, read_proof, read_scores
from penjing.pipeline.detection.quality import judge_detector, read_quality
from penjing.pipeline.detection.samples import read_part
from penjing.pipeline.detection.sections import DetectorLimits, DetectorRecipe
from penjing.pipeline.detection.suite import run_suite, table
from penjing.pipeline.recipe import built_in_recipes, check_recipe, load_recipe, load_text_recipe
from penjing.pipeline.run import make_detector, run_recipe
from penjing.pipeline.ship import model_files
from penjing.pipeline.workspace import Workspace, file_digest
from penjing.runtime import Detector, load
from penjing.runtime.calibration import conformal_threshold
from penjing.runtime.errors import ExportError, RecipeError
from penjing.runtime.goldens import GOLDENS_NAME
from penjing.runtime.sample_goldens import replay_samples

DENSE = {"detector": {"kind": "dense-autoencoder", "epochs": 2}}
BENCHMARK = {"rounds": 3, "repeats": 1, "samples": 5, "cold_rounds": 1}


def write_series(path: Path, rows: int, seed: int, anomalies: bool) -> None:
    """Two channels, the second following the first; in an anomaly it no longer does."""
    random = np.random.default_rng(seed)
    first = random.normal(size=rows)
    second = first + 0.1 * random.normal(size=rows)
    odd = np.zeros(rows, int)
    if anomalies:
        odd[rows // 2 : rows // 2 + 20] = odd[-30:-20] = 1
        second = np.where(odd == 1, random.normal(size=rows) + 3, second)
    lines = [f"{i},{a:.6f},{b:.6f},{o}" for i, (a, b, o) in enumerate(zip(first, second, odd, strict=True))]
    path.write_text("second,flow,pressure,odd\n" + "\n".join(lines) + "\n", encoding="utf-8")


def tiny_detector_recipe(folder: Path, **changes: Any) -> dict[str, Any]:
    """A series of two channels and its detector; `changes` replace whole sections."""
    folder.mkdir(parents=True, exist_ok=True)
    write_series(folder / "train.csv", 600, 1, anomalies=False)
    write_series(folder / "test.csv", 300, 2, anomalies=True)
    return {
        "name": "tiny",
        "task": {"kind": "anomaly-detection"},
        "data": {
            "kind": "series", "train": str(folder / "train.csv"), "test": str(folder / "test.csv"), "label": "odd",
            "time": "second", "window": 3, "calibrate_share": 0.4,
        },
        "detector": {"kind": "pca", "variance": 0.9},
        "alarms": {"false_alarms": 0.02, "gap": 5},
        "stream": {"missing": "hold", "period_seconds": 1},
        "limits": {"flips": 0.05},
        "benchmark": BENCHMARK,
        **changes,
    }  # fmt: skip


def detector_recipe(folder: Path, **changes: Any) -> DetectorRecipe:
    """The same, checked."""
    recipe = check_recipe(tiny_detector_recipe(folder, **changes), "test")
    assert isinstance(recipe, DetectorRecipe)
    return recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorRecipe, Path]:
    """A run from recipe to report."""
    folder = tmp_path_factory.mktemp("line")
    recipe = detector_recipe(folder)
    run_recipe(recipe, folder / "out")
    return recipe, folder / "out"


def test_a_run_ships_four_files_that_score_as_torch_does(finished: tuple[DetectorRecipe, Path]) -> None:
    recipe, out = finished
    bundle = load(out / "bundle").bundle
    assert set(bundle.model_files) == {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"}
    with Workspace(out).locked():
        proof = read_proof(make_detector(recipe, Workspace(out)).proof)
    by_file = {p.file: p for p in proof.files}
    assert max(by_file[f"model.{kind}"].difference for kind in ("onnx", "tflite")) < 1e-4
    assert min(p.rank for p in proof.files) > 0.98
    assert not proof.broken


def test_the_bundle_finds_the_anomalies_of_the_test_series_in_a_stream(finished: tuple[DetectorRecipe, Path]) -> None:
    recipe, out = finished
    detector = load(out / "bundle")
    assert isinstance(detector, Detector)
    rows = np.loadtxt(recipe.data.test or "", delimiter=",", skiprows=1)
    answers = detector.stream().push(rows[:, 1:3].astype(np.float32), rows[:, 0])
    odd = rows[:, 3] == 1
    above = answers.scores > detector.calibrated().threshold
    assert above[odd].mean() > 0.9
    assert above[~odd].mean() < 0.1
    assert answers.alarms.any()
    drivers = next(iter(answers.drivers.values()))
    assert {driver.feature for driver in drivers} <= {"flow", "pressure"}


def test_the_goldens_of_every_file_replay(finished: tuple[DetectorRecipe, Path]) -> None:
    bundle = load(finished[1] / "bundle").bundle
    assert (bundle.folder / GOLDENS_NAME).is_file()
    for file in bundle.model_files:
        report = replay_samples(bundle, file)
        assert report.flips == 0
        assert report.n > 10


def test_a_recipe_fixes_the_ranges_of_its_int8_tflite_file_alone(tmp_path: Path) -> None:
    made: dict[str, set[str]] = {}
    for activations in ("dynamic", "static"):
        recipe = detector_recipe(tmp_path, **DENSE, quantize={"activations": activations}, limits={"flips": 1})
        space = Workspace(tmp_path / "out")
        with space.locked():
            files = make_detector(recipe, space).files
        made[activations] = {file_digest(path) for path in model_files(files).values()}
    assert len(made["dynamic"]) == 4 and len(made["dynamic"] & made["static"]) == 3


def test_the_report_tells_quality_beside_the_baselines(finished: tuple[DetectorRecipe, Path]) -> None:
    report = json.loads((finished[1] / "report.json").read_text(encoding="utf-8"))
    rows = {row["label"]: row for row in report["models"]}
    assert {"max |z|", "Mahalanobis", TORCH, "model.onnx"} <= set(rows)
    assert rows["model.onnx"]["auc_roc"]["value"] > rows["max |z|"]["auc_roc"]["value"]
    assert rows["model.onnx"]["events"]["events"] == 2
    assert report["regime"] == "normal samples alone"
    page = (finished[1] / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") in (5, 6)  # the last, latency over time, only of runs longer than a millisecond
    assert "Trained on normal samples alone" in (finished[1] / "report.md").read_text(encoding="utf-8")


def test_a_second_run_does_nothing_again(finished: tuple[DetectorRecipe, Path]) -> None:
    recipe, out = finished
    before = {path: path.stat().st_mtime_ns for path in out.glob("*-*/*")}
    run_recipe(recipe, out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*-*/*")} == before


def test_a_file_beyond_its_limits_fails_the_run_with_a_report(tmp_path: Path) -> None:
    recipe = detector_recipe(tmp_path, limits={"score_difference": 1e-12}, export={"formats": ["onnx"]})
    with pytest.raises(ExportError, match=r"model\.onnx: a score differs by .* exceeds limits\.score_difference"):
        run_recipe(recipe, tmp_path / "out")
    assert "Failed" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "bundle").exists()


def test_a_distilled_student_is_shipped_if_it_passes_and_its_teacher_if_not(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"export": {"formats": ["onnx"]}, "detector": {"kind": "mahalanobis"}}
    good = detector_recipe(tmp_path, distill={"hidden": [32, 16]}, **changes)
    space = Workspace(tmp_path / "out")
    with space.locked():
        made = make_detector(good, space)
        fitted = json.loads((made.fitted / "fit.json").read_text(encoding="utf-8"))
        bad = make_detector(detector_recipe(tmp_path, distill={"hidden": [1]}, **changes), space)
    assert fitted["verdict"]["passed"]
    assert fitted["detector"] == "Distilled"
    refused = json.loads((bad.fitted / "fit.json").read_text(encoding="utf-8"))
    assert not refused["verdict"]["passed"]
    assert refused["detector"] == "Mahalanobis"


def test_scores_are_compared_by_a_worked_example() -> None:
    reference = np.array([1.0, 2.0, 3.0, 4.0])
    scores = np.array([1.0, 2.0, 3.3, 4.0])
    own = conformal_threshold(np.linspace(0, 3.2, 99), 0.01)
    torchs = conformal_threshold(np.linspace(0, 3.1, 99), 0.01)
    proof = compare("model.onnx", scores, reference, np.array([True, True, True, False]), own, torchs)
    assert proof.difference == pytest.approx(0.1)  # 0.3 of a score of 3
    assert proof.rank == 1.0
    assert (proof.normals, proof.flips) == (3, 1)  # 3.3 is above 3.2, 3.0 is not above 3.1
    assert "a score differs by 0.1 of itself" in broken_limits(proof, DetectorLimits())[0]


def test_an_int8_file_is_held_to_ranks_and_decisions() -> None:
    proof = FileProof("model.int8.onnx", 100, 0.5, 0.9, 100, 3, 0.01, 0.08)
    sentences = broken_limits(proof, DetectorLimits())
    assert [sentence.split(":")[1].split()[0] for sentence in sentences] == ["rank", "flips"]


def test_windows_carry_the_label_of_their_last_row(finished: tuple[DetectorRecipe, Path]) -> None:
    recipe, out = finished
    with Workspace(out).locked():
        test = read_part(make_detector(recipe, Workspace(out)).data, "test")
    assert isinstance(test, SampleSet)
    assert test.rows.shape == (298, 3, 2)
    assert int((~test.normal).sum()) == 30


def test_a_suite_has_a_row_a_set_and_a_column_a_detector(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    normal, odd = random.normal(size=(200, 3)), random.normal(size=(20, 3)) + 4
    file = tmp_path / "blobs.npz"
    np.savez(file, X=np.concatenate([normal, odd]), y=np.r_[np.zeros(200), np.ones(20)])
    raw = {
        "name": "suite", "task": {"kind": "anomaly-detection"}, "data": {"train": "breast-cancer"},
        "detector": {"kind": "mahalanobis"}, "export": {"formats": ["onnx"]}, "alarms": {"false_alarms": 0.2},
        "limits": {"flips": 1},
    }  # fmt: skip
    recipe = check_recipe(raw, "test")
    entries = run_suite(recipe, tmp_path / "out", [file], ["mahalanobis", "k-means"], [1, 2])
    columns, rows = table(entries, "auc_roc")
    assert columns == ("data", "max |z|", "Mahalanobis", "mahalanobis", "k-means")
    assert [row[0] for row in rows] == ["blobs", "mean"]
    assert all(float(cell) > 0.95 for cell in rows[0][1:])
    assert len(entries) == 8
    with pytest.raises(RecipeError, match=r"detector ngram reads data\.kind events"):
        run_suite(recipe, tmp_path / "out", [file], ["ngram"], [1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detector": {"kind": "mahalanobiss"}}, "mahalanobis"),
        ({"detector": {"kind": "pca", "varianc": 0.9}}, r"unknown key 'varianc' .* did you mean 'variance'"),
        ({"detector": {"kind": "ngram"}}, r"reads data\.kind events"),
        ({"detector": {"kind": "mahalanobis"}, "quantize": {"precisions": ["int8"]}}, "must stay float"),
        ({"detector": {"kind": "pca"}, "quantize": {"training": True}}, "for a dense-autoencoder"),
        ({"quantize": {"activations": "static"}}, "for a dense-autoencoder, not pca: its score would have 256 values"),
        ({"quantize": {"activations": "static"}, **DENSE, "distill": {}}, "not a distilled network"),
        ({"quantize": {"activations": "static"}, **DENSE, "export": {"formats": ["onnx"]}}, "this recipe makes none"),
        ({"quantize": {"activations": "static", "training": True}, **DENSE}, "leave one of the two out"),
        ({"detector": {"kind": "relative-entropy"}}, r"data\.window of at least 8"),
        ({"alarms": {"count": 3, "of": 2}}, "make count at most of"),
        ({"stream": {"largest_gap": 3}}, "period_seconds"),
        ({"data": {"train": "breast-cancer", "window": 4}}, "a table has no order"),
        ({"task": {"kind": "anomalies"}}, r"choose of text-classification, .*anomaly-detection"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_when_it_is_read(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        check_recipe(tiny_detector_recipe(tmp_path, **changes), "test")


def test_what_works_on_text_alone_refuses_a_detector() -> None:
    with pytest.raises(RecipeError, match="recipe for anomaly-detection"):
        load_text_recipe("bearings")


def test_every_built_in_detector_recipe_is_valid_and_keeps_its_name() -> None:
    found = {name: load_recipe(name) for name in built_in_recipes()}
    detectors = {name for name, recipe in found.items() if isinstance(recipe, DetectorRecipe)}
    assert {"bearings", "breast-cancer", "adbench", "smd", "asd", "nab", "hdfs", "ecg5000"} <= detectors
    assert all(recipe.name == name for name, recipe in found.items())


def test_a_quality_row_without_labels_tells_false_alarms_alone(tmp_path: Path) -> None:
    raw = tiny_detector_recipe(tmp_path, export={"formats": ["onnx"]}, detector={"kind": "robust-z"})
    raw["data"] |= {"label": None, "features": ["flow", "pressure"]}
    recipe, space = check_recipe(raw, "test"), Workspace(tmp_path / "out")
    assert isinstance(recipe, DetectorRecipe)
    with space.locked():
        made = make_detector(recipe, space)
        rows = read_quality(judge_detector(recipe, space, made))
        assert set(read_scores(made.proof, "test")) == {"torch", "model.onnx"}
    assert all(row.auc_roc is None and row.false_alarms.n == 298 for row in rows)
