"""The steps of a plan, taken by a process of its own as on a board, kept when interrupted, and put together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penjing.benchmarks.far_side import MARK, job_json, read_job
from penjing.benchmarks.machine import describe_machine
from penjing.benchmarks.partial import partial_of
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.steps import Finding, Step, assemble, check_subjects, steps, take_steps
from penjing.runtime.errors import OutputError, TargetError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def short_plan(texts: tuple[str, ...]) -> Plan:
    return Plan(texts, lengths=(4,), threads=(1,), rounds=3, repeats=2, cold_rounds=1)


def test_a_job_survives_the_way_to_the_far_side(texts: tuple[str, ...]) -> None:
    plan = replace(short_plan(texts), mode="paced", cores=(0,))
    subjects = (Subject("a", Path("bundles/a"), "onnx", "int8"), Subject("b", Path("bundles/b")))
    assert read_job(job_json(subjects, plan, steps(plan)[:2])) == (subjects, plan, steps(plan)[:2])
    samples = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    _, back, _ = read_job(job_json(subjects, Plan(samples=samples, lengths=(3,))))
    assert back.samples is not None
    np.testing.assert_array_equal(back.samples, samples)


def test_the_far_side_says_the_machine_every_finding_and_the_end(small: Path, texts: tuple[str, ...]) -> None:
    plan, subjects = short_plan(texts), [Subject("small", small)]
    job = job_json(subjects, plan, [Step("cold", None, 1)])
    done = subprocess.run(
        [sys.executable, "-m", "penjing.benchmarks.far_side"], input=job, capture_output=True, text=True, check=True
    )
    lines = [json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)]
    assert [next(iter(line)) for line in lines] == ["machine", *["finding"] * (len(steps(plan)) - 1), "end"]
    findings = [Finding.from_json(line["finding"]) for line in lines[1:-1]]
    assert [finding.step for finding in findings] == [s for s in steps(plan) if s.kind != "cold"]
    run = assemble(
        "ssh://board", "2025-01-01T00:00:00+00:00", describe_machine(), check_subjects(subjects), plan, findings, "lost"
    )
    assert {noise.condition.kind for noise in run.noise_floors} == {"warm", "text"}
    assert run.partial == "lost"
    assert all(m.starts for m in run.measurements if m.condition.kind == "warm")
    assert len(run.sensors) >= 2 * len(findings)


def test_an_error_of_the_far_side_is_said_in_one_line(small: Path, texts: tuple[str, ...]) -> None:
    job = job_json([Subject("small", small)], replace(short_plan(texts), lengths=(17,)))
    done = subprocess.run(
        [sys.executable, "-m", "penjing.benchmarks.far_side"], input=job, capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout.splitlines()[-1].removeprefix(MARK))["error"]
    assert said["kind"] == "BundleError"
    assert "at most 16 tokens, not 17" in said["message"]


def test_findings_are_kept_until_the_run_is_whole(small: Path, texts: tuple[str, ...], cache: Path) -> None:
    plan, subjects = short_plan(texts), [Subject("small", small)]
    kept = partial_of("ssh://board", check_subjects(subjects), plan)
    assert kept.findings() == ()
    first = next(take_steps(subjects, plan))
    kept.add(first)
    with kept.path.open("a", encoding="utf-8") as file:
        file.write('{"step": {"kind": "eng')  # the power went
    assert kept.findings() == (first,)
    rest = [finding.step for finding in take_steps(subjects, plan, [first.step])]
    assert rest == list(steps(plan)[1:])
    assert partial_of("ssh://other", check_subjects(subjects), plan).path != kept.path
    assert partial_of("ssh://board", check_subjects(subjects), replace(plan, seed=2)).path != kept.path
    kept.remove()
    assert not list((cache / "partial").iterdir())


def test_a_cache_that_cannot_be_written_is_said(small: Path, texts: tuple[str, ...], cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    plan, subjects = short_plan(texts), [Subject("small", small)]
    with pytest.raises(OutputError, match="PENJING_CACHE"):
        partial_of("ssh://board", check_subjects(subjects), plan).add(Finding(steps(plan)[0]))


@pytest.mark.parametrize("broken", [None, [], "x", {"step": 3}, {"step": {"kind": "engine"}}, {"hello": 1}])
def test_what_is_no_finding_is_refused(broken: object) -> None:
    with pytest.raises(TargetError, match="sent no measurement"):
        Finding.from_json(broken)


def test_samples_that_go_back_in_time_are_refused(small: Path, texts: tuple[str, ...]) -> None:
    plan = replace(short_plan(texts), rounds=7)  # all in one pass
    finding = next(take_steps([Subject("small", small)], plan)).to_json()
    finding["measurements"][0]["starts"].reverse()
    finding["measurements"][0]["starts"][0] += 1
    with pytest.raises(TargetError, match="set back"):
        Finding.from_json(finding)


def test_a_sustained_run_takes_the_engines_alone_and_a_paced_one_no_cold_starts(texts: tuple[str, ...]) -> None:
    plan = Plan(texts, lengths=(4, 8), threads=(2, 1))
    assert steps(replace(plan, mode="sustained")) == (Step("engine", 8, 2),)
    assert {step.kind for step in steps(replace(plan, mode="paced"))} == {"engine", "answers"}
