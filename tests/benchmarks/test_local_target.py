"""The local target on tiny bundles: everything is measured once, and nothing is asserted about how fast it was."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penjing.benchmarks.cold import IMPORT
from penjing.benchmarks.measurement import Condition
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.results import Run
from penjing.benchmarks.targets.local import TWIN, measure
from penjing.runtime.errors import BundleError, TargetError

PLAN = {"lengths": (4, 16), "threads": (1, 2), "rounds": 3, "repeats": 2, "cold_rounds": 2}


@pytest.fixture(scope="module")
def run(small: Path, large: Path, texts: tuple[str, ...]) -> Run:
    return measure([Subject("small", small), Subject("large", large)], Plan(texts=texts, **PLAN))  # type: ignore[arg-type]


def test_every_subject_is_measured_under_every_condition(run: Run) -> None:
    warm = {Condition("warm", length, threads) for length in (4, 16) for threads in (1, 2)}
    wanted = {*warm, Condition("text", None, 1), Condition("text", None, 2), Condition("cold", None, 1)}
    for label in ("small", "large"):
        assert {m.condition for m in run.measurements if m.subject == label} == wanted
    assert {m.condition for m in run.measurements if m.subject == IMPORT} == {Condition("import", None, 1)}
    assert {noise.condition for noise in run.noise_floors} == wanted


def test_every_pass_goes_through_all_conditions_and_all_texts(run: Run) -> None:
    warm = [m for m in run.measurements if m.condition.kind in ("warm", "text") and m.subject == "small"]
    assert {m.passes for m in warm} == {3}
    moments = sorted((start, m.condition.words) for m in warm for start in m.starts)
    first, second = ([words for _, words in moments[i : i + len(warm)]] for i in (0, len(warm)))
    assert sorted(first) == sorted(second) == sorted(m.condition.words for m in warm)


def test_the_numbers_of_samples_are_those_of_the_plan(run: Run) -> None:
    counts = {m.condition.kind: (m.rounds, len(m.samples_ms)) for m in run.measurements}
    assert counts == {"warm": (3, 6), "text": (3, 18), "cold": (2, 2), "import": (2, 2)}


def test_the_twin_gives_the_noise_floor_and_is_no_subject(run: Run) -> None:
    assert all(noise.first.subject == "small" for noise in run.noise_floors)
    assert all(noise.second.subject == "small" + TWIN for noise in run.noise_floors)
    assert all(noise.first.samples_ms != noise.second.samples_ms for noise in run.noise_floors)
    assert not any(m.subject.endswith(TWIN) for m in run.measurements)
    assert [facts.label for facts in run.subjects] == ["small", "large"]


def test_each_condition_compares_the_two_with_its_own_floor(run: Run) -> None:
    assert len(run.comparisons) == len(run.noise_floors)
    for noise in run.noise_floors:
        found = run.comparison("small", "large", noise.condition)
        ours, theirs = run.find("small", noise.condition), run.find("large", noise.condition)
        assert found is not None
        assert ours is not None
        assert theirs is not None
        assert found.ratio == pytest.approx(theirs.p50 / ours.p50)
        assert found.floor == noise.floor


def test_sizes_and_files_come_from_the_manifest(run: Run, large: Path) -> None:
    facts = run.subjects[1]
    assert (facts.bundle, facts.file, facts.engine, facts.precision) == ("large", "model.onnx", "onnx", "fp32")
    assert facts.bytes == (large / "model.onnx").stat().st_size


def test_fresh_processes_report_their_own_peak_memory(run: Run) -> None:
    cold = [m for m in run.measurements if m.condition.kind == "cold"]
    assert all(m.peak_rss_mb is not None and 10 < m.peak_rss_mb < 1000 for m in cold)


def test_the_wrapper_is_compared_on_the_same_texts(run: Run, texts: tuple[str, ...]) -> None:
    assert [cost.subject for cost in run.wrapper] == ["small", "large"]
    for cost in run.wrapper:
        assert cost.n == len(cost.predict_samples_ms) == len(cost.by_hand_samples_ms) == len(texts)
        assert 0 < cost.tokenize_ms < cost.by_hand_ms
        assert 0 < cost.engine_ms < cost.by_hand_ms
        ratios = np.array(cost.predict_samples_ms) / np.array(cost.by_hand_samples_ms)
        assert cost.overhead == pytest.approx(np.median(ratios), rel=1e-3)  # samples are kept to the nanosecond
        assert cost.low <= cost.high


def test_the_profile_names_the_graph_s_operators(run: Run) -> None:
    profile = run.profiles[1]
    assert (profile.subject, profile.sequence_length) == ("large", 16)
    calls = {op.op: op.calls for op in profile.ops}
    assert sum(count for op, count in calls.items() if "MatMul" in op or op == "Gemm") == 2
    assert calls["Gather"] == 1
    assert sum(op.share for op in profile.ops) == pytest.approx(1)


def test_a_run_survives_json(run: Run) -> None:
    assert Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False))) == run


def test_a_run_names_no_path_and_no_text(run: Run, small: Path) -> None:
    written = json.dumps(run.to_json())
    assert str(small.parent) not in written
    assert str(Path.home()) not in written
    assert "very good film" not in written


def test_a_length_that_the_bundle_does_not_take_is_refused(small: Path, texts: tuple[str, ...]) -> None:
    with pytest.raises(BundleError, match="at most 16 tokens, not 17"):
        measure([Subject("small", small)], Plan(texts=texts, **{**PLAN, "lengths": (17,)}))  # type: ignore[arg-type]


def test_cores_are_pinned_for_the_run_alone(small: Path, texts: tuple[str, ...]) -> None:
    before = os.sched_getaffinity(0)
    plan = Plan(texts=texts, **{**PLAN, "threads": (1,), "cold_rounds": 1}, cores=(min(before),))  # type: ignore[arg-type]
    found = measure([Subject("small", small)], plan)
    assert (found.machine.cores, found.settings.cores) == (1, (min(before),))
    assert os.sched_getaffinity(0) == before
    with pytest.raises(TargetError, match="may use"):
        measure([Subject("small", small)], replace(plan, cores=(max(before) + 1,)))
    assert os.sched_getaffinity(0) == before


def test_two_subjects_of_one_label_are_refused(small: Path, large: Path, texts: tuple[str, ...]) -> None:
    with pytest.raises(BundleError, match="label of its own"):
        measure([Subject("a", small), Subject("a", large)], Plan(texts=texts))
