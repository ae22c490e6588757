from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from penjing.export.verify import check_limits, compare_logits, run_file, wilson_interval
from penjing.runtime.errors import ExportError


@dataclass(frozen=True)
class Limits:
    flips: float = 0.015
    metric_drop: float = 0.005
    logit_difference: float | None = None


def damage(path, target, weight="layers.1.up.0.weight", factor=-20.0):
    """The same int8 file with the scales of one matrix wrong."""
    model = onnx.load(path)
    scales = next(tensor for tensor in model.graph.initializer if tensor.name == f"{weight}_scale")
    scales.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scales) * np.float32(factor), scales.name))
    onnx.save(model, target)


def prove(path, exported):
    """As the pipeline does."""
    logits = run_file(path, "onnx", exported.texts)
    return compare_logits(logits, exported.logits, exported.labels, file=path.name, split="validation")


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_newcombe_1998_table_1(count, n, low, high):
    assert wilson_interval(count, n) == pytest.approx((low, high), abs=5e-5)


def test_all_of_n_is_the_mirror_of_none_of_n():
    low, high = wilson_interval(20, 20)
    assert (low, high) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)
    with pytest.raises(ExportError, match="0 of 0"):
        wilson_interval(0, 0)


def test_flips_accuracy_and_difference_of_four_texts_counted_by_hand():
    student = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 2.0]])
    file = np.array([[2.0, 1.5], [0.5, 0.25], [3.0, 0.0], [0.0, 2.0]])
    proof = compare_logits(file, student, np.array([0, 1, 1, 1]), file="m.onnx", split="validation")
    assert (proof.n, proof.flips, proof.not_numbers) == (4, 1, 0)
    assert (proof.value, proof.reference_value, proof.logit_difference) == (0.5, 0.75, 0.75)
    assert (proof.low, proof.high) == wilson_interval(2, 4)
    assert (proof.flip_low, proof.flip_high) == wilson_interval(1, 4)
    assert proof.quality.flips == 1 and proof.quality.value == 0.5


def test_logits_that_are_not_numbers_are_flips_and_wrong_and_told():
    student = np.array([[2.0, 1.0], [0.0, 1.0]])
    file = np.array([[np.nan, 1.0], [0.0, np.inf]])
    proof = compare_logits(file, student, np.array([0, 1]), file="m.onnx", split="validation")
    assert (proof.flips, proof.not_numbers, proof.value, proof.logit_difference) == (2, 2, 0.0, 0.0)
    assert "m.onnx: 2 of 2 texts get logits that are not numbers" in check_limits([proof], Limits(1.0, 1.0))


def test_a_broken_limit_is_told_with_the_file_the_limit_and_by_how_much():
    student = np.tile([0.0, 1.0], (1000, 1))
    file = student.copy()
    file[:21] = [1.0, 0.0]
    proof = compare_logits(file, student, np.ones(1000, int), file="m.int8.onnx", split="validation")
    flips, drop, logit = check_limits([proof], Limits(0.015, 0.005, 0.5))
    assert flips == (
        "m.int8.onnx: flips 2.10% of 1000 (95% interval 1.38% to 3.19%) exceed limits.flips 1.50% by 0.60 points"
    )
    assert drop == (
        "m.int8.onnx: accuracy 97.90% is 2.10 points below the torch student's 100.00%,"
        " which exceeds limits.metric_drop 0.50% by 1.60 points"
    )
    assert logit == "m.int8.onnx: logit difference 1 exceeds limits.logit_difference 0.5 by 0.5"


def test_a_limit_that_is_met_exactly_is_not_broken():
    student = np.tile([0.0, 1.0], (200, 1))
    file = student.copy()
    file[:3] = [1.0, 0.0]
    proof = compare_logits(file, student, np.ones(200, int), file="m.onnx", split="validation")
    assert check_limits([proof], Limits(flips=0.015, metric_drop=0.015)) == []
    worse = replace(proof, reference_value=0.89, value=0.885)
    assert check_limits([worse], Limits(flips=0.015, metric_drop=0.005)) == []


def test_the_fp32_file_decides_as_torch_does(exported):
    proof = prove(exported.folder / "model.onnx", exported)
    assert (proof.file, proof.split, proof.n, proof.reference_value) == ("model.onnx", "validation", 40, 1.0)
    assert proof.logit_difference <= 1e-4 and proof.flips == 0 and proof.value == 1.0
    assert check_limits([proof], Limits()) == []


def test_the_int8_file_differs_a_little(exported):
    proof = prove(exported.folder / "model.int8.onnx", exported)
    assert 0 < proof.logit_difference < 0.1 * np.abs(exported.logits).max()
    assert check_limits([proof], Limits(flips=0.1, metric_drop=0.1)) == []


def test_batches_by_length_give_the_same_logits_in_the_same_order(exported):
    path = exported.folder / "model.onnx"
    singly = run_file(path, "onnx", exported.texts)
    assert np.allclose(singly, run_file(path, "onnx", exported.texts, batch_size=32), atol=1e-5)
    assert np.allclose(singly, exported.logits, atol=1e-4)
    assert np.std(singly[:, 0]) > 0.01  # texts differ, so a wrong order would show


def test_a_damaged_int8_file_breaks_the_limits(exported, tmp_path):
    damage(exported.folder / "model.int8.onnx", tmp_path / "model.int8.onnx")
    proof = prove(tmp_path / "model.int8.onnx", exported)
    flips, drop = check_limits([proof], Limits(flips=0.1, metric_drop=0.1))  # the healthy file is within these
    assert flips.startswith("model.int8.onnx: flips ") and drop.startswith("model.int8.onnx: accuracy ")


def test_what_does_not_fit_together_is_refused():
    logits, labels = np.zeros((40, 2)), np.zeros(40, int)
    for reference, answers in ((logits[:3], labels), (np.zeros((40, 3)), labels), (logits, labels[:3])):
        with pytest.raises(ExportError, match=r"cannot prove m\.onnx by logits \(40, 2\), those of torch"):
            compare_logits(logits, reference, answers, file="m.onnx", split="test")
    with pytest.raises(ExportError, match="at least one text"):
        compare_logits(logits[:0], logits[:0], labels[:0], file="m.onnx", split="test")
