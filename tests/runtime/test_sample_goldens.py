"""A detector's goldens replay from the bundle alone, also after its thresholds have moved, and show what changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_bundle import edit_manifest, rehash
from tiny_detector_bundle import FILES, WINDOW, shared_detector_bundle

from penjing.runtime.bundle import open_bundle
from penjing.runtime.detector import thresholds_of
from penjing.runtime.errors import BundleError
from penjing.runtime.goldens import write_goldens
from penjing.runtime.sample_goldens import (
    SampleGolden,
    SampleReport,
    read_sample_goldens,
    replay_samples,
    sample_problems,
    steady_sample_goldens,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundle that the test may change."""
    return Path(shutil.copytree(shared_detector_bundle(), tmp_path / "tiny"))


def rewrite(folder: Path, **change: Any) -> None:
    """Changes the first golden as a machine that answers differently would."""
    first, *others = read_sample_goldens(folder)
    write_goldens([replace(first, **change), *others], folder)
    rehash(folder, "goldens.jsonl")


def move_threshold(folder: Path, file: str, threshold: float) -> None:
    postprocess = open_bundle(folder).manifest.postprocess
    moved = {**postprocess["thresholds"][file], "threshold": threshold}
    thresholds = {**postprocess["thresholds"], file: moved}
    edit_manifest(folder, postprocess={**postprocess, "thresholds": thresholds})


@pytest.mark.parametrize("file", FILES)
def test_every_file_replays_as_it_was_recorded(file: str) -> None:
    bundle = open_bundle(shared_detector_bundle())
    report = replay_samples(bundle, file)
    assert (report.file, report.n, report.flips) == (file, 8, 0)
    assert report.largest_difference <= 1e-6
    assert sample_problems(report, bundle.manifest.files[file].precision) == ()


def test_a_golden_holds_samples_scores_and_the_first_files_decision() -> None:
    bundle = open_bundle(shared_detector_bundle())
    goldens = read_sample_goldens(bundle.folder)
    first = thresholds_of(bundle.manifest)["model.int8.onnx"].threshold
    assert {(len(golden.samples), len(golden.samples[0])) for golden in goldens} == {(WINDOW, 3)}
    assert [golden.alarm for golden in goldens] == [golden.scores["model.int8.onnx"] > first for golden in goldens]
    assert {golden.alarm for golden in goldens} == {False, True}


def test_a_score_near_the_threshold_of_any_file_is_no_golden() -> None:
    limits = thresholds_of(open_bundle(shared_detector_bundle()).manifest)
    golden, *_ = read_sample_goldens(shared_detector_bundle())

    def scored(factor: float) -> SampleGolden:
        near = {file: limits[file].threshold * (factor if file == FILES[-1] else 2) for file in FILES}
        return replace(golden, scores=near)

    goldens = [scored(1 + i / 10) for i in range(-9, 10) if i] + [scored(1.005), scored(0.995), scored(1)]
    assert steady_sample_goldens(goldens, limits) == goldens[:-3]
    assert len(steady_sample_goldens(goldens[-3:], limits)) == 3


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    goldens = read_sample_goldens(shared_detector_bundle())
    write_goldens(goldens, tmp_path)
    assert read_sample_goldens(tmp_path) == goldens


def test_another_score_is_measured_relative_to_itself(folder: Path) -> None:
    scores = dict(read_sample_goldens(folder)[0].scores)
    scores["model.onnx"] *= 1.01
    rewrite(folder, scores=scores)
    report = replay_samples(open_bundle(folder), "model.onnx")
    assert report.flips == 0 and 0.005 < report.largest_difference <= 0.01
    assert "of a score, allowed is 0.001: update the engine" in sample_problems(report, "fp32")[0]
    assert sample_problems(report, "int8") == ()


def test_another_decision_is_reported_for_every_precision(folder: Path) -> None:
    rewrite(folder, scores={name: score + 1e4 for name, score in read_sample_goldens(folder)[0].scores.items()})
    report = replay_samples(open_bundle(folder), "model.int8.tflite")
    assert report.flips == 1
    assert "model.int8.tflite decides 1 of 8 samples differently" in sample_problems(report, "int8")[0]


def test_moving_the_threshold_changes_no_replay_even_onto_a_recorded_score(folder: Path) -> None:
    # The recorded score is rounded, so that the new one may fall on the other side of it.
    for score in [golden.scores["model.onnx"] for golden in read_sample_goldens(folder)] + [0.0, 1e9]:
        move_threshold(folder, "model.onnx", score)
        assert replay_samples(open_bundle(folder), "model.onnx").flips == 0


def test_numbers_that_are_none_count_as_a_flip(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(np.nan), tensor.name))
    onnx.save(model, folder / "model.onnx")
    rehash(folder, "model.onnx")
    report = replay_samples(open_bundle(folder), "model.onnx")
    assert report.flips == report.n
    assert len(sample_problems(report, "fp32")) == 2


def test_goldens_of_another_shape_or_without_the_file_cannot_be_replayed(folder: Path) -> None:
    rewrite(folder, samples=((1.0, 2.0),) * WINDOW)
    with pytest.raises(BundleError, match="samples of another shape"):
        replay_samples(open_bundle(folder), "model.onnx")
    rewrite(folder, scores={"model.onnx": 1.0})
    with pytest.raises(BundleError, match=r"says nothing about 'model\.tflite'"):
        replay_samples(open_bundle(folder), "model.tflite")


@pytest.mark.parametrize("line", ["{", "[]", '{"samples": [[1]]}', '{"samples": 1, "scores": {}, "alarm": true}'])
def test_a_broken_line_is_named(line: str, folder: Path) -> None:
    path = folder / "goldens.jsonl"
    first = path.read_text(encoding="utf-8").split("\n")[0]
    path.write_text(f"{first}\n{line}\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"goldens\.jsonl, line 2, is no golden"):
        read_sample_goldens(folder)


def test_a_difference_that_is_not_a_number_is_a_problem() -> None:
    assert sample_problems(SampleReport("model.onnx", 1, 0, float("nan")), "fp32") != ()
