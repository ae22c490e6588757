"""A detector of texts from recipe to command line: one graph after the tokenizer, answers to lines of text."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import penjing_command
from tiny import NEGATIVE, make_sentences, write_encoder
from tiny_detector_bundle import shared_detector_bundle

from penjing.pipeline.detection.proof import read_proof
from penjing.pipeline.detection.quality import judge_detector, read_quality
from penjing.pipeline.detection.sections import DetectorRecipe
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import make_detector, run_recipe
from penjing.pipeline.workspace import Workspace
from penjing.runtime import Detector, load
from penjing.runtime.errors import BundleError, DataError, RecipeError
from penjing.runtime.goldens import GOLDENS_NAME
from penjing.runtime.sample_goldens import replay_samples

ODD = [" ".join([word, other, word, other]) for word in NEGATIVE for other in NEGATIVE]


def text_recipe(folder: Path, extra: str = "") -> DetectorRecipe:
    """Films in good words are normal; nothing but bad words is not."""
    write_encoder(folder / "encoder")
    normal = [text for text, label in zip(*make_sentences(500, 1), strict=True) if label == 1]
    rows = [f"{text}\tgood" for text in normal] + [f"{text}\tbad" for text in ODD]
    (folder / "texts.tsv").write_text("\n".join(["text\tmood", *rows]) + f"\n{extra}", encoding="utf-8")
    recipe = check_recipe({
        "name": "moods", "task": {"kind": "anomaly-detection"},
        "data": {
            "kind": "texts", "train": str(folder / "texts.tsv"), "label": "mood", "normal": ["good"], "window": 16,
            "calibrate_share": 0.3,
        },
        "detector": {"kind": "embedding", "encoder": str(folder / "encoder"), "prototypes": 64},
        "alarms": {"false_alarms": 0.05}, "limits": {"flips": 0.1},
        "benchmark": {"rounds": 3, "repeats": 1, "samples": 5, "cold_rounds": 1},
    }, "test")  # fmt: skip
    assert isinstance(recipe, DetectorRecipe)
    return recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorRecipe, Path]:
    folder = tmp_path_factory.mktemp("texts")
    recipe = text_recipe(folder)
    run_recipe(recipe, folder / "out")
    return recipe, folder / "out"


def test_files_score_as_torch_does_and_find_odd_texts(finished: tuple[DetectorRecipe, Path]) -> None:
    recipe, out = finished
    space = Workspace(out)
    with space.locked():
        made = make_detector(recipe, space)
        rows = read_quality(judge_detector(recipe, space, made))
    proof = read_proof(made.proof)
    assert {p.file for p in proof.files} == {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"}
    assert max(p.difference for p in proof.files if ".int8." not in p.file) < 1e-4
    assert not proof.broken
    # Neither of the baselines reads texts.
    assert {row.role for row in rows} == {"torch", "file"}
    assert min(row.auc_roc.value for row in rows if row.auc_roc is not None) > 0.9


def test_the_bundle_answers_texts_with_its_own_tokenizer(finished: tuple[DetectorRecipe, Path]) -> None:
    detector = load(finished[1] / "bundle", "onnx", "fp32")
    assert isinstance(detector, Detector)
    found = detector.score_texts(["the film was good", "bad awful bad awful", "good " * 30])
    assert found.truncated == (False, False, True)
    assert found.scores[1] > detector.calibrated().threshold
    again = [detector.score_texts([text]).scores[0] for text in ("the film was good", "bad awful bad awful")]
    assert found.scores[:2] == pytest.approx(again, rel=1e-4, abs=1e-5)
    for file in detector.bundle.model_files:
        assert replay_samples(detector.bundle, file).flips == 0
    assert len((detector.bundle.folder / GOLDENS_NAME).read_text(encoding="utf-8").splitlines()) > 4
    with pytest.raises(DataError, match="text 2 of 2"):
        detector.score_texts(["fine", " "])


def test_predict_and_watch_say_which_texts_are_odd(
    finished: tuple[DetectorRecipe, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    bundle = str(finished[1] / "bundle")
    assert penjing_command("predict", bundle, "poor dull poor dull", "--json") == 0
    assert json.loads(capsys.readouterr().out)["alarm"] is True
    lines = tmp_path / "lines.txt"
    lines.write_text("the film was good\n\npoor dull poor dull\n", encoding="utf-8")
    assert penjing_command("watch", bundle, "--input", str(lines), "--json", "--all") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["line"], row["alarm"]) for row in rows] == [(1, False), (3, True)]
    stdin = io.TextIOWrapper(io.BytesIO(b"poor dull poor dull"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert penjing_command("watch", bundle, "--json") == 0
    assert json.loads(capsys.readouterr().out)["line"] == 1


def test_calibrate_takes_lines_of_normal_text(
    finished: tuple[DetectorRecipe, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(finished[1] / "bundle", tmp_path / "bundle"))
    before = load(bundle).calibrated().threshold  # type: ignore[union-attr]
    held_out = tmp_path / "normal.txt"
    held_out.write_text("\n".join(make_sentences(200, 9)[0]) + "\n", encoding="utf-8")
    assert penjing_command("calibrate", str(bundle), str(held_out), "--false-alarms", "0.2") == 0
    capsys.readouterr()
    assert load(bundle).calibrated().threshold != before  # type: ignore[union-attr]
    labelled = ("calibrate", str(bundle), str(held_out), "--false-alarms", "0.2", "--label", "x")
    assert penjing_command(*labelled) == 2
    assert "lines of text have no column 'x'" in capsys.readouterr().err


def test_bad_input_ends_with_one_line(tmp_path: Path) -> None:
    recipe = text_recipe(tmp_path, extra="\tgood\n")
    with pytest.raises(DataError, match="has an empty text, or none, in row"):
        run_recipe(recipe, tmp_path / "out")


def test_a_detector_of_numbers_reads_no_texts(finished: tuple[DetectorRecipe, Path]) -> None:
    numbers = {"kind": "texts", "train": "x.tsv", "window": 4}
    with pytest.raises(RecipeError, match=r"detector pca reads data.kind table or series or windows"):
        check_recipe(
            {"name": "x", "task": {"kind": "anomaly-detection"}, "data": numbers, "detector": {"kind": "pca"}}, "x"
        )
    detector = load(shared_detector_bundle())
    assert isinstance(detector, Detector)
    with pytest.raises(BundleError, match="takes no text"):
        detector.score_texts(["good"])
    assert np.isfinite(load(finished[1] / "bundle").score_texts(["good"]).scores).all()  # type: ignore[union-attr]
