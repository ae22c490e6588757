"""Phases within minutes: one factor for all of them, weights that stay, and a pace that is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from school import SHAPE, School

from penjing.compress.distill.method import Phase
from penjing.compress.distill.methods import method_named
from penjing.compress.distill.pace import PACE_NAME, TIMED, _of_all_lengths, whole_seconds, within_minutes
from penjing.compress.distill.student import distil_student, start_student
from penjing.pipeline.recipe import load_text_recipe
from penjing.pipeline.sections import Distill
from penjing.runtime.errors import RecipeError

SETTINGS = Distill(transfer_epochs=2, epochs=1, batch_size=16)


def phases_of(school: School, method: str) -> tuple[Any, list[Phase]]:
    student, alignment = start_student(SHAPE, school.teacher, school.lessons, 1)
    return student, list(method_named(method).phases(student, school.lessons, SETTINGS, alignment, 1))


def test_the_seconds_of_a_plan_are_those_of_its_steps(school: School) -> None:
    _, (phase, *_) = phases_of(school, "logits")
    two = [replace(phase, name="a", plan=replace(phase.plan, epochs=3, batch_size=10)),
           replace(phase, name="b", plan=replace(phase.plan, epochs=0.5, batch_size=20))]  # fmt: skip
    assert whole_seconds(two, 101, {"a": 0.1, "b": 2.0}) == pytest.approx(3 * 11 * 0.1 + 0.5 * 6 * 2.0)


@pytest.mark.parametrize("method", ["mobilebert", "mobilebert-progressive", "tinybert"])
def test_all_phases_become_longer_by_one_factor_and_nothing_is_learnt_by_timing(
    method: str, school: School, tmp_path: Path
) -> None:
    student, phases = phases_of(school, method)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    paced = within_minutes(phases, school.lessons, 0.5, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in student.parameters())
    pace = json.loads((tmp_path / PACE_NAME).read_text(encoding="utf-8"))
    factors = [new.plan.epochs / old.plan.epochs for new, old in zip(paced, phases, strict=True)]
    assert factors == pytest.approx([pace["factor"]] * len(phases))
    assert whole_seconds(paced, len(school.lessons.texts), pace["seconds"]) == pytest.approx(30)


def test_a_pace_is_kept_for_a_run_that_goes_on(school: School, tmp_path: Path) -> None:
    _, phases = phases_of(school, "logits")
    first = within_minutes(phases, school.lessons, 1, tmp_path)
    again = within_minutes(phases, school.lessons, 1, tmp_path)
    assert [phase.plan for phase in again] == [phase.plan for phase in first]


def test_the_timed_batches_are_of_all_lengths(school: School) -> None:
    lengths = school.lessons.texts.lengths
    batches = _of_all_lengths(lengths, 4)
    longest = [int(lengths[batch].max()) for batch in batches]
    assert len(batches) == TIMED and longest == sorted(longest)
    assert longest[0] < lengths.mean() < longest[-1]
    assert len(_of_all_lengths(lengths, 10_000)) == TIMED


def test_a_student_learns_for_as_long_as_it_is_told(school: School, tmp_path: Path) -> None:
    student, alignment = start_student(SHAPE, school.teacher, school.lessons, 1)
    curves = distil_student(
        student, alignment, school.lessons, SETTINGS, method_named("mobilebert"),
        seed=1, folder=tmp_path / "s", checkpoints=tmp_path / "c", minutes=0.02,
    )  # fmt: skip
    pace = json.loads((tmp_path / "c" / PACE_NAME).read_text(encoding="utf-8"))
    steps = -(-len(school.lessons.texts) // 16)
    assert curves.transfer[-1].step == pytest.approx(2 * pace["factor"] * steps, abs=1)
    assert curves.task[-1].step == pytest.approx(pace["factor"] * steps, abs=1)


def test_minutes_are_for_a_student_that_learns() -> None:
    with pytest.raises(RecipeError, match=r"distill.minutes 5\.0 does nothing"):
        load_text_recipe("sst2", ("student={architecture: bert}", "distill={minutes: 5}"))
