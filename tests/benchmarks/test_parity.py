"""Parity: answers there against answers here, of texts and of detectors, at the limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_bundle import TEXTS
from tiny_detector_bundle import shared_detector_bundle

from penjing.benchmarks.latency import describe
from penjing.benchmarks.parity import (
    Parity,
    answers_here,
    as_answers,
    compare_answers,
    failed_parity,
    parity_feeds,
)  # fmt: skip
from penjing.benchmarks.plan import Plan, Subject, SubjectFacts
from penjing.runtime.bundle import Bundle, open_bundle
from penjing.runtime.detector import thresholds_of
from penjing.runtime.errors import TargetError

PLAN = Plan(texts=("very bad", "a good film"))
FP32 = SubjectFacts("student", "tiny", "model.onnx", "onnx", "fp32", 10)
INT8 = SubjectFacts("small", "tiny", "model.int8.onnx", "onnx", "int8", 10)


@pytest.fixture(scope="session")
def texts_bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle)


@pytest.fixture(scope="session")
def detector() -> Bundle:
    return open_bundle(shared_detector_bundle())


def logits(n: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(n, 3))


def test_the_inputs_are_the_goldens_of_the_bundle(texts_bundle: Bundle, detector: Bundle) -> None:
    feeds = parity_feeds(texts_bundle, PLAN)
    assert len(feeds) == len(TEXTS)
    assert all(set(feed) == {"input_ids", "attention_mask", "token_type_ids"} for feed in feeds)
    assert all(feed["input_ids"].shape == feed["attention_mask"].shape for feed in feeds)
    samples = parity_feeds(detector, Plan(samples=np.zeros((2, 4, 3), np.float32)))
    assert len(samples) == 8
    assert {(feed["samples"].shape, feed["samples"].dtype.name) for feed in samples} == {((1, 4, 3), "float32")}


def test_a_bundle_without_goldens_is_asked_what_the_plan_asks(small: Path) -> None:
    bundle = open_bundle(small)
    feeds = parity_feeds(bundle, PLAN)
    assert [feed["input_ids"].tolist() for feed in feeds] == [[[2, 8, 5, 3]], [[2, 7, 4, 6, 3]]]
    assert answers_here(bundle, "model.onnx", feeds).shape == (2, 2)
    samples = np.ones((3, 4, 2), np.float32)
    assert [feed["samples"].shape for feed in parity_feeds(bundle, Plan(samples=samples))] == [(1, 4, 2)] * 3


def test_the_same_answers_pass(texts_bundle: Bundle, detector: Bundle) -> None:
    for bundle in (texts_bundle, detector):
        facts = describe(Subject("a", bundle.folder, "onnx", "fp32"))
        here = answers_here(bundle, facts.file, parity_feeds(bundle, PLAN))
        parity = compare_answers(bundle, facts, here, here.copy())
        assert parity == Parity("a", "model.onnx", len(here), 0, 0.0, True, "")


@pytest.mark.parametrize(("offset", "passed"), [(0.99e-4, True), (1.01e-4, False)])
def test_an_fp32_logit_may_be_off_by_a_ten_thousandth(texts_bundle: Bundle, offset: float, passed: bool) -> None:
    here = np.array([[0.0, 1.0, 0.0]] * 5)
    there = here + np.array([0, offset, 0])
    parity = compare_answers(texts_bundle, FP32, here, there)
    assert (parity.passed, parity.flips) == (passed, 0)
    assert parity.largest_difference == pytest.approx(offset)
    assert passed or "allowed is 0.0001" in parity.reason
    assert compare_answers(texts_bundle, INT8, here, there + np.array([0, 0.5, 0])).passed, "int8 may be off by more"


@pytest.mark.parametrize(("n", "passed"), [(199, False), (200, True)])
def test_one_decision_of_two_hundred_may_flip(texts_bundle: Bundle, n: int, passed: bool) -> None:
    here = logits(n)
    there = here.copy()
    there[7] = there[7, np.argsort(-there[7])[[1, 0, 2]]][np.argsort(np.argsort(-there[7]))]
    parity = compare_answers(texts_bundle, INT8, here, there)
    assert (parity.flips, parity.passed) == (1, passed)
    assert passed or parity.reason == "1 of 199 decisions differ from this machine's"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_a_flip(texts_bundle: Bundle, detector: Bundle, bad: float) -> None:
    here = logits(4)
    there = here.copy()
    there[2, 1] = bad
    for facts in (FP32, INT8):
        parity = compare_answers(texts_bundle, facts, here, there)
        assert (parity.flips, parity.passed) == (1, False)
        assert not np.isfinite(parity.largest_difference)
    scores = np.array([[1.0], [bad]])
    assert compare_answers(detector, INT8, np.ones((2, 1)), scores).flips == 1


def test_a_score_flips_when_it_crosses_the_threshold_and_not_on_it(detector: Bundle) -> None:
    facts = describe(Subject("a", detector.folder, "onnx", "int8"))
    threshold = thresholds_of(detector.manifest)[facts.file]
    level = threshold.threshold
    here = np.array([[level * 1.0000001], [level * 1.5], [level * 0.5]])
    assert compare_answers(detector, facts, here, np.array([[level], [level * 1.4], [level * 0.6]])).flips == 0
    crossed = compare_answers(detector, facts, here, np.array([[level], [level * 0.5], [level * 0.6]]))
    assert (crossed.flips, crossed.passed) == (1, False)
    assert crossed.largest_difference == pytest.approx(float((level / threshold.scales(here[1:2])).item()))


def test_a_detector_without_threshold_has_nothing_to_flip(detector: Bundle) -> None:
    bare = replace(detector, manifest=replace(detector.manifest, postprocess={}))
    parity = compare_answers(bare, FP32, np.array([[1.0], [2.0]]), np.array([[1.0], [2.00002]]))
    assert (parity.flips, parity.passed) == (0, True)
    assert parity.largest_difference == pytest.approx(1e-5)


def test_answers_of_another_shape_are_refused(texts_bundle: Bundle) -> None:
    with pytest.raises(TargetError, match=r"gave answers \[3, 3\] there, \[4, 3\] here"):
        compare_answers(texts_bundle, FP32, logits(4), logits(3))
    for outputs in ([{"scores": np.ones(2)}], [{"logits": np.ones(2)}, {"logits": np.ones(3)}]):
        with pytest.raises(TargetError, match="answers without the same logits for every input"):
            as_answers(texts_bundle, outputs)


def test_a_file_that_did_not_run_has_failed_with_its_reason() -> None:
    parity = failed_parity(INT8, "it crashed")
    assert (parity.subject, parity.n, parity.passed, parity.reason) == ("small", 0, False, "it crashed")
    assert np.isnan(parity.largest_difference)
