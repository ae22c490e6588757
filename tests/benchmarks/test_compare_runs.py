"""Two runs: the statistics against closed forms and scipy, verdicts on made-up runs, and two real runs of bundles."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import PACKAGES, WARM, blocks, made_run, timed
from scipy import stats

from penjing.benchmarks.compare import noise_floor
from penjing.benchmarks.compare_runs import compare_runs
from penjing.benchmarks.log_ratios import compare_logs, holm, log_percentile
from penjing.benchmarks.machine import describe_machine
from penjing.benchmarks.measurement import Condition
from penjing.benchmarks.memory_use import STAGES, MemoryStage, MemoryUse
from penjing.benchmarks.paired_runs import ALLOWED, Row, controls, pair_subjects
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.results import Run
from penjing.benchmarks.sensors import SensorReading
from penjing.benchmarks.steps import assemble, check_subjects, steps, take_steps
from penjing.benchmarks.student import student_point, student_tail
from penjing.runtime.manifest import Quality


def scaled(run: Run, factor: float) -> Run:
    """The run with every time multiplied."""
    slower = (replace(m, samples_ms=tuple(factor * s for s in m.samples_ms)) for m in run.measurements)
    return replace(run, measurements=tuple(slower))


def row_of(rows: tuple[Row, ...], subject: str, figure: str = "p50") -> Row:
    (row,) = [row for row in rows if (row.subject, row.figure) == (subject, figure)]
    return row


@pytest.mark.parametrize("freedom", [1.0, 1.5, 2.0, 4.0, 19.0, 38.5, 300.0, 5000.0])
def test_students_t_is_that_of_scipy(freedom: float) -> None:
    assert student_point(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=5e-3)
    for t in (0.0, 0.5, -2.1, 4.0, 20.0):
        assert student_tail(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=5e-3, abs=1e-12)


def test_holms_procedure_on_a_worked_example() -> None:
    """4 x 0.005, 3 x 0.01, 2 x 0.03; the last may not fall below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@pytest.mark.parametrize(("share", "rounds"), [(50, 20), (90, 20), (50, 6)])
def test_the_interval_of_a_ratio_holds_the_true_one_19_times_of_20(share: float, rounds: int) -> None:
    inside, runs = 0, 150
    for seed in range(runs):
        a = log_percentile([blocks(2.0, 2 * seed, rounds)], [], share)
        b = log_percentile([blocks(2.4, 2 * seed + 1, rounds)], [], share)
        low, high, _ = compare_logs(a, b)
        assert low is not None and high is not None
        inside += low <= 1.2 <= high
    assert 0.9 <= inside / runs <= 0.99  # two standard errors are 0.035


def test_a_control_cancels_what_slows_a_whole_round() -> None:
    slow = np.exp(0.2 * np.random.default_rng(7).standard_normal((20, 1)))
    alone = log_percentile([slow * blocks(2.0, 1)], [], 50)
    beside = log_percentile([slow * blocks(2.0, 1)], [slow * blocks(4.0, 2)], 50)
    assert beside.error < alone.error / 3
    assert math.exp(beside.value) == pytest.approx(0.5, rel=0.1)


def test_calls_with_a_question_of_their_own_are_compared_question_by_question() -> None:
    """Rounds of long and of short texts differ fivefold, which says nothing of a change of 10%."""
    lengths = np.exp(np.random.default_rng(5).uniform(0, 1.6, (20, 1)))
    found = []
    for condition in (Condition("text", None, 1), WARM):
        run = made_run({"a": blocks()})
        sides = [timed("a", factor * lengths * blocks(seed=seed), condition) for factor, seed in ((1.0, 1), (1.1, 2))]
        row = row_of(compare_runs(*(replace(run, measurements=(side,)) for side in sides)), "a")
        found.append(row.verdict)
    assert found == ["worse", "cannot say"]


def test_a_run_is_not_different_from_itself() -> None:
    run = made_run({"a": blocks(), "b": blocks(3.0, 1, spread=0.5)})
    rows = compare_runs(run, run)
    assert {row.verdict for row in rows} == {"not different"}
    assert all(row.change == 1 for row in rows)


def test_times_of_a_fifth_more_are_worse_and_of_a_fifth_less_better() -> None:
    run = made_run({"a": blocks(), "b": blocks(3.0, 1)})
    for figure in ("p50", "p90"):
        worse = row_of(compare_runs(run, scaled(run, 1.2)), "a", figure)
        assert (worse.verdict, round(worse.change, 6)) == ("worse", 1.2)
        assert worse.low is not None and worse.high is not None
        assert worse.low < 1.2 < worse.high
        assert row_of(compare_runs(scaled(run, 1.2), run), "a", figure).verdict == "better"


def test_a_difference_within_the_noise_floor_of_either_run_is_none() -> None:
    run = made_run({"a": blocks()})
    loud = noise_floor(timed("a", blocks()), timed("a (A/A)", 1.3 * blocks(seed=3)))
    for pair in (
        (replace(run, noise_floors=(loud,)), scaled(run, 1.2)),
        (run, replace(scaled(run, 1.2), noise_floors=(loud,))),
    ):
        row = row_of(compare_runs(*pair), "a")
        assert row.verdict == "not different"
        assert row.floor >= 1.3 and "A/A" in row.reason


def test_a_change_of_the_machine_is_taken_out_by_a_file_that_stayed_the_same() -> None:
    before = made_run({"student": blocks(2.0, 1), "teacher": blocks(9.0, 2)})
    after = made_run({"student": 1.3 * blocks(2.0, 3), "teacher": 1.3 * blocks(9.0, 4)}, {"student": "new"})
    rows = compare_runs(before, after)
    student, teacher = row_of(rows, "student"), row_of(rows, "teacher")
    assert (student.verdict, student.control) == ("not different", "teacher")
    assert student.change == pytest.approx(1.0, abs=0.05)
    assert (teacher.verdict, teacher.control) == ("cannot say", None)
    assert "the machine changed" in teacher.reason
    slower = made_run({"student": 1.6 * blocks(2.0, 3), "teacher": 1.3 * blocks(9.0, 4)}, {"student": "new"})
    assert row_of(compare_runs(before, slower), "student").verdict == "worse"


def test_without_the_control_the_machine_would_have_been_blamed_on_the_file() -> None:
    before = made_run({"student": blocks(2.0, 1), "teacher": blocks(9.0, 2)})
    new = {"student": "new", "teacher": "new too"}
    after = made_run({"student": 1.3 * blocks(2.0, 3), "teacher": 1.3 * blocks(9.0, 4)}, new)
    assert row_of(compare_runs(before, after), "student").verdict == "worse"


def test_what_other_unchanged_files_moved_beside_the_control_is_a_floor() -> None:
    before = made_run({"student": blocks(2.0, 1), "teacher": blocks(9.0, 2), "other": blocks(5.0, 5)})
    times = {"student": 1.15 * blocks(2.0, 3), "teacher": blocks(9.0, 4), "other": 1.2 * blocks(5.0, 6)}
    row = row_of(compare_runs(before, made_run(times, {"student": "new"})), "student")
    assert (row.verdict, row.control) == ("not different", "teacher")
    assert "other, the same file, moved" in row.reason


def test_another_engine_version_makes_an_unchanged_file_no_control() -> None:
    before = made_run({"student": blocks(2.0, 1), "teacher": blocks(9.0, 2)})
    after = made_run({"student": blocks(2.0, 3), "teacher": blocks(9.0, 4)}, {"student": "new"})
    assert [pair.before.label for pair in controls(before, after, pair_subjects(before, after))] == ["teacher"]
    newer = replace(after, machine=replace(after.machine, packages={**PACKAGES, "onnxruntime": "1.32"}))
    assert controls(before, newer, pair_subjects(before, newer)) == []


def test_among_many_figures_one_alone_is_no_finding() -> None:
    """Fifty figures, alike in both runs but for chance; a plain 5% would call some of them different."""
    names = [f"s{i}" for i in range(25)]
    before = made_run({name: blocks(2.0, i, 8, 0.1, 4) for i, name in enumerate(names)})
    after = made_run({name: blocks(2.0, 100 + i, 8, 0.1, 4) for i, name in enumerate(names)})
    rows = compare_runs(before, after, {**ALLOWED, "latency": 0.0})
    assert any(row.low is not None and row.high is not None and not row.low <= 1 <= row.high for row in rows)
    assert {row.verdict for row in rows if row.quantity == "latency"} == {"cannot say"}
    assert any("Holm" in row.reason for row in rows)


def test_too_few_rounds_and_a_throttled_device_say_nothing() -> None:
    few = made_run({"a": blocks(rounds=2)})
    assert "rounds" in row_of(compare_runs(few, scaled(few, 1.5)), "a").reason
    run = made_run({"a": blocks(rounds=30)})
    rising = made_run({"a": blocks(rounds=30) * np.linspace(1.0, 1.6, 30)[:, None]})
    hot = tuple(SensorReading(1000.0 + i, None, 1800.0 - 20 * i) for i in range(30))
    row = row_of(compare_runs(run, replace(rising, sensors=hot)), "a")
    assert (row.verdict, "after was throttled" in row.reason) == ("cannot say", True)


def test_subjects_of_other_labels_are_paired_by_bundle_and_file() -> None:
    before = made_run({"a": blocks()})
    renamed = replace(before.subjects[0], label="runs/new: a")
    after = replace(before, subjects=(renamed,), measurements=(replace(before.measurements[0], subject="runs/new: a"),))
    assert row_of(compare_runs(before, after), "a").verdict == "not different"
    assert compare_runs(before, made_run({"b": blocks()})) == ()


def facts_with(run: Run, **changes: Any) -> Run:
    return replace(run, subjects=(replace(run.subjects[0], **changes),))


@pytest.mark.parametrize(
    ("size", "verdict"), [(1000, "not different"), (1001, "not different"), (1010, "worse"), (900, "better")]
)
def test_a_size_has_no_noise_but_some_bytes_are_allowed(size: int, verdict: str) -> None:
    run = made_run({"a": blocks()})
    assert row_of(compare_runs(run, facts_with(run, bytes=size)), "a", "file").verdict == verdict


def test_qualities_are_subtracted_as_newcombe_does() -> None:
    """56 of 70 and 48 of 80: 0.2 with 0.0524 to 0.3339 (Newcombe 1998, Interval estimation for the difference between
    independent proportions, method 10)."""
    sides = []
    for hits, n in ((48, 80), (56, 70)):
        low, high = stats.binomtest(hits, n).proportion_ci(method="wilson")
        sides.append(Quality("model.onnx", "accuracy", "validation", 80, hits / n, low, high))
    run = made_run({"a": blocks()})
    rows = compare_runs(facts_with(run, quality=sides[0]), facts_with(run, quality=sides[1]))
    row = row_of(rows, "a", "accuracy")
    assert (row.verdict, round(row.change, 4)) == ("better", 0.2)
    assert (row.low, row.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_a_quality_that_may_be_chance_or_is_of_other_rows_is_not_judged() -> None:
    run, quality = made_run({"a": blocks()}), Quality("model.onnx", "accuracy", "validation", 872, 0.90, 0.88, 0.92)
    before = facts_with(run, quality=quality)
    lower = facts_with(run, quality=replace(quality, value=0.89, low=0.87, high=0.91))
    assert row_of(compare_runs(before, lower), "a", "accuracy").verdict == "cannot say"
    much = facts_with(run, quality=replace(quality, value=0.80, low=0.78, high=0.82))
    assert row_of(compare_runs(before, much), "a", "accuracy").verdict == "worse"
    fewer = row_of(compare_runs(before, facts_with(run, quality=replace(quality, n=400, value=0.5))), "a", "accuracy")
    assert (fewer.verdict, "on 400 of validation after" in fewer.reason) == ("cannot say", True)


def memory(factor: float, spread: float = 0.01) -> tuple[MemoryUse, ...]:
    def stages(size: float) -> tuple[MemoryStage, ...]:
        return tuple(MemoryStage(name, size, size, size * (i + 1), None, 10 * size) for i, name in enumerate(STAGES))

    sizes = [factor * size for size in (10 - spread, 10, 10 + spread)]
    return (MemoryUse("a", 1, stages(sizes[1]), None, 3, tuple(stages(size) for size in sizes)),)


def test_memory_is_compared_stage_by_stage_over_the_range_of_processes() -> None:
    run = made_run({"a": blocks()}, memory=memory(1.0))
    rows = compare_runs(run, replace(run, memory=memory(1.1)))
    found = [row.figure for row in rows if row.quantity == "memory"]
    assert found == [*(f"private dirty, {stage}" for stage in STAGES[1:4]), "peak"]
    assert {row.verdict for row in rows if row.quantity == "memory"} == {"worse"}
    loud = compare_runs(replace(run, memory=memory(1.0, 1.0)), replace(run, memory=memory(1.1, 1.0)))
    assert row_of(loud, "a", "peak").verdict == "cannot say"
    assert row_of(compare_runs(run, replace(run, memory=memory(1.01))), "a", "peak").verdict == "not different"


def test_a_run_without_stages_gives_the_peak_of_its_cold_starts() -> None:
    cold = replace(timed("a", blocks(rounds=5, calls=1), Condition("cold", None, 1)), peak_rss_mb=50.0)
    before = replace(made_run({"a": blocks()}), measurements=(cold,))
    after = replace(before, measurements=(replace(cold, peak_rss_mb=60.0),))
    row = row_of(compare_runs(before, after), "a", "peak")
    assert (row.verdict, row.low, row.change) == ("worse", None, 1.2)


def real_run(model: Path, kept: Path, texts: tuple[str, ...]) -> Run:
    """All but the stages of memory, whose many processes take long."""
    subjects = [Subject("model", model), Subject("kept", kept)]
    plan = Plan(texts=texts, lengths=(4,), threads=(1,), rounds=3, repeats=2, cold_rounds=1)
    found = list(take_steps(subjects, plan, done=[step for step in steps(plan) if step.kind == "memory"]))
    return assemble("local", "2026-01-01T00:00:00+00:00", describe_machine(), check_subjects(subjects), plan, found)


def test_two_real_runs_of_bundles_are_compared(small: Path, large: Path, texts: tuple[str, ...]) -> None:
    """The model becomes a larger one, the other file stays and is the control."""
    before, after = (
        Run.from_json(json.loads(json.dumps(real_run(model, small, texts).to_json()))) for model in (small, large)
    )
    assert {row.verdict for row in compare_runs(before, before)} == {"not different"}
    rows = compare_runs(before, after)
    assert {row.quantity for row in rows} == {"latency", "memory", "size"}
    timed = [row for row in rows if row.quantity == "latency"]
    assert {row.control for row in timed if row.subject == "model"} == {"kept"}
    assert {row.verdict for row in timed if row.subject == "kept"} <= {"not different", "cannot say"}
    assert (row_of(rows, "model", "file").verdict, row_of(rows, "kept", "file").verdict) == ("worse", "not different")
