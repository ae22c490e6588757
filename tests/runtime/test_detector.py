"""A detector answers as the engine does, says which features drove a score, and refuses what it cannot score."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundle import edit_manifest, rehash
from tiny_detector_bundle import (
    FEATURES,
    FILES,
    TYPICAL,
    WINDOW,
    pack_detector,
    series,
    shared_detector_bundle,
    shared_detector_parts,
    windows_of,
    write_detector_parts,
)

from penjing.runtime import Detector, load, load_detector, load_predictor
from penjing.runtime.detector import open_detector
from penjing.runtime.engine import Arrays, Engine
from penjing.runtime.errors import BundleError, DataError, EngineError
from penjing.runtime.manifest import read_manifest
from penjing.runtime.policy import AlarmPolicy

SAMPLES = windows_of(series(60, seed=3))


@pytest.fixture(scope="module", params=FILES)
def detector(request: pytest.FixtureRequest) -> Detector:
    precision = "int8" if "int8" in request.param else "fp32"
    return load_detector(shared_detector_bundle(), request.param.rsplit(".", 1)[1], precision)


@pytest.fixture
def own_detector(tmp_path: Path) -> Path:
    """A copy of the bundle that the test may change."""
    return Path(shutil.copytree(shared_detector_bundle(), tmp_path / "tiny"))


def fp32() -> Detector:
    return load_detector(shared_detector_bundle(), "onnx", "fp32")


def test_load_opens_a_detector_bundle_as_a_detector() -> None:
    opened = load(shared_detector_bundle())
    assert isinstance(opened, Detector)
    assert (opened.file, opened.features, opened.window) == ("model.int8.onnx", FEATURES, WINDOW)
    with pytest.raises(BundleError, match="is an anomaly detector, which takes no text: use `penjing watch`"):
        load_predictor(shared_detector_bundle())


def test_a_text_bundle_is_no_detector(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="is for text-classification, no detector: use `penjing predict`"):
        load_detector(tiny_bundle)


def test_scores_are_those_of_each_sample_alone_in_the_engine(detector: Detector) -> None:
    alone = [detector.engine.run({"samples": row[None].astype(np.float32)})["scores"][0] for row in SAMPLES]
    scores = detector.score(SAMPLES)
    assert scores.dtype == np.float32 and scores.shape == (57,)
    np.testing.assert_allclose(scores, alone, rtol=1e-5)


def test_the_scores_are_mahalanobis_distances() -> None:
    rows = windows_of(series(400, seed=0)).reshape(397, -1)
    centred = SAMPLES.reshape(57, -1) - rows.mean(axis=0)
    inverse = np.linalg.inv(np.cov(rows.T, bias=True))
    np.testing.assert_allclose(fp32().score(SAMPLES), (centred @ inverse * centred).sum(axis=1), rtol=1e-4)


def test_large_input_is_scored_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = fp32()
    expected = detector.score(SAMPLES)
    sizes: list[int] = []

    class Counting:
        name, version = detector.engine.name, detector.engine.version
        inputs, outputs = detector.engine.inputs, detector.engine.outputs

        def run(self, inputs: Arrays) -> dict[str, Any]:
            sizes.append(len(inputs["samples"]))
            return detector.engine.run(inputs)

    counting: Engine = Counting()
    monkeypatch.setattr("penjing.runtime.detector._VALUES_AT_ONCE", 10 * WINDOW * len(FEATURES))
    np.testing.assert_allclose(replace(detector, engine=counting).score(SAMPLES), expected, rtol=1e-5)
    assert sizes == [10] * 5 + [7]


def test_a_window_of_one_takes_a_plain_table(tmp_path: Path) -> None:
    write_detector_parts(tmp_path, window=1, files=("model.onnx",))
    bundle = pack_detector(tmp_path, tmp_path / "bundle", window=1, files=("model.onnx",))
    detector = open_detector(bundle, "model.onnx")
    table = series(20, seed=4)
    np.testing.assert_array_equal(detector.score(table), detector.score(table[:, None]))
    assert detector.explain(table[0]) == detector.explain(table[:1])
    assert not np.isnan(detector.stream().push(table).scores).any()


def test_the_feature_that_was_disturbed_drove_the_score(detector: Detector) -> None:
    for channel, name in enumerate(FEATURES):
        sample = np.tile(TYPICAL, (WINDOW, 1))
        sample[2, channel] += 30
        (first, *others) = detector.explain(sample)
        assert first.feature == name and first.share > 0.8
        assert sum(driver.share for driver in (first, *others)) == pytest.approx(1)


def test_shares_are_the_drops_of_the_score_when_a_feature_is_typical() -> None:
    sample, drops = SAMPLES[5] + (4.0, 0.0, 3.0), []
    for channel in range(3):
        occluded = sample.copy()
        occluded[:, channel] = TYPICAL[channel]
        drops.append(float(fp32().score([sample])[0] - fp32().score([occluded])[0]))
    expected = {name: drop / sum(max(d, 0) for d in drops) for name, drop in zip(FEATURES, drops, strict=True)}
    found = fp32().explain(sample, top=2)
    assert [d.feature for d in found] == sorted(FEATURES, key=lambda name: -expected[name])[:2]
    for driver in found:
        assert driver.share == pytest.approx(expected[driver.feature], rel=1e-3)


def test_a_typical_sample_has_no_drivers_and_top_must_be_a_number() -> None:
    assert fp32().explain(np.tile(TYPICAL, (WINDOW, 1))) == ()
    with pytest.raises(DataError, match="top is 0"):
        fp32().explain(SAMPLES[0], top=0)


def test_alarms_follow_threshold_and_policy() -> None:
    detector = replace(fp32(), policy=AlarmPolicy(2, 2))
    high, low = detector.calibrated().threshold + 1, detector.calibrated().threshold
    assert detector.alarms([low, high, high, low, high]).tolist() == [False, False, True, False, False]
    assert replace(detector, policy=AlarmPolicy()).alarms([low, high, np.nan]).tolist() == [False, True, False]


def test_the_score_that_the_threshold_was_taken_from_is_not_above_it() -> None:
    for file in FILES:
        detector = open_detector(fp32().bundle, file)
        assert not detector.above(np.array([detector.calibrated().threshold], np.float32)).any()


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((5, WINDOW, 2)), "have 2 columns, the detector takes 3: speed, load, heat"),
        (np.zeros((5, 3, 3)), r"are \[5, 3, 3\], the detector takes \[n, 4, 3\]"),
        (np.zeros((5, 3)), r"are \[5, 3\], the detector takes"),
        (np.float64(3), "have 0 columns"),
        (np.full((5, WINDOW, 3), 200, np.uint8), "are uint8, which wraps around"),
        (np.zeros((5, WINDOW, 3), np.int64), "are int64, which wraps around"),
        (np.zeros((5, WINDOW, 3), bool), "are bool"),
        ([[["a", 1, 2]] * WINDOW], "no table of numbers"),
        ([[[1, 2, 3]], [[1, 2]]], "no table of numbers"),
        (np.full((2, WINDOW, 3), np.nan), "sample 1 of those given: speed, load, heat is missing"),
        (np.concatenate([SAMPLES[:2], np.full((1, WINDOW, 3), 1e39)]), "sample 3 of those given: .* beyond float32"),
        (np.full((1, WINDOW, 3), -np.inf), "is infinite"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(samples: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        fp32().score(samples)
    assert "\n" not in str(caught.value)


def test_plain_lists_of_whole_numbers_are_scored() -> None:
    rows = [[[10, 0, -3]] * WINDOW]
    np.testing.assert_array_equal(fp32().score(rows), fp32().score(np.array(rows, np.float64)))


@pytest.mark.parametrize("file", ["model.onnx", "model.tflite"])
def test_a_graph_of_another_window_or_of_other_features_than_the_manifest_is_refused(
    file: str, own_detector: Path
) -> None:
    manifest = read_manifest(own_detector)
    plain = {**manifest.preprocess, "features": ["speed", "load"], "typical": [0.0, 0.0]}
    edit_manifest(own_detector, preprocess=plain)
    with pytest.raises(BundleError, match=r"input and its 2 features with a window of 4 disagree"):
        load_detector(own_detector, file.rsplit(".", 1)[1], "fp32")
    narrow = [{"name": "samples", "dtype": "float32", "shape": ["batch", 4, 2]}]
    edit_manifest(own_detector, inputs=narrow)
    with pytest.raises(
        BundleError, match=r"float32 \[4, 3\], the manifest says samples float32 \[4, 2\] .*two bundles"
    ):
        load_detector(own_detector, file.rsplit(".", 1)[1], "fp32")


def test_a_text_model_in_a_detectors_bundle_is_refused(own_detector: Path, tiny_bundle: Path) -> None:
    shutil.copyfile(tiny_bundle / "model.onnx", own_detector / "model.onnx")
    rehash(own_detector, "model.onnx")
    with pytest.raises(BundleError, match="takes input_ids int64"):
        load_detector(own_detector, "onnx", "fp32")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"postprocess": {"function": "softmax"}}, "asks for 'softmax' after the scores"),
        ({"postprocess": {"function": "threshold", "thresholds": []}}, "thresholds are no table"),
        ({"postprocess": {"function": "threshold", "thresholds": {}}}, "policy lacks or misstates 'count'"),
        ({"preprocess": {}}, "preprocess lacks or misstates"),
    ],
)
def test_a_manifest_that_lacks_a_detectors_parts_is_refused(
    changes: dict[str, Any], words: str, own_detector: Path
) -> None:
    edit_manifest(own_detector, **changes)
    with pytest.raises(BundleError, match=words):
        load(own_detector)


def test_a_file_without_a_threshold_scores_but_gives_no_alarms(own_detector: Path) -> None:
    postprocess = dict(read_manifest(own_detector).postprocess)
    edit_manifest(own_detector, postprocess={**postprocess, "thresholds": {}})
    detector = load_detector(own_detector)
    assert detector.score(SAMPLES).shape == (57,)
    for ask in (lambda: detector.alarms([1.0]), detector.stream):
        with pytest.raises(BundleError, match=r"no threshold for model\.int8\.onnx: run `penjing calibrate`"):
            ask()


def test_scores_that_are_not_numbers_are_an_error_not_silence() -> None:
    detector = fp32()

    class Broken:
        name, version, inputs, outputs = "onnx", "1", detector.engine.inputs, detector.engine.outputs

        def run(self, inputs: Arrays) -> dict[str, Any]:
            return {"scores": np.full(len(inputs["samples"]), np.nan, np.float32)}

    with pytest.raises(EngineError, match="scores that are not numbers"):
        replace(detector, engine=Broken()).score(SAMPLES)


def test_the_parts_are_those_of_the_bundle() -> None:
    assert {path.name for path in shared_detector_parts().iterdir()} == set(FILES)
