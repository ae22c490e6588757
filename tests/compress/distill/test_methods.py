"""Every method trains a student, and does so in the phases that it is published with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from school import EVERYTHING, SHAPE, School

from penjing.compress.distill.lessons import taught, validate
from penjing.compress.distill.method import Method, run_phases
from penjing.compress.distill.methods import METHODS, method_named
from penjing.compress.distill.methods.mobilebert import layer_losses, rates_of_layer
from penjing.compress.distill.student import copy_teacher, start_student
from penjing.compress.distill.teacher_cache import Needs
from penjing.compress.models.checkpoint import load_student, save_student
from penjing.pipeline.sections import Distill, MethodName
from penjing.runtime.errors import TrainingError

SETTINGS = Distill(transfer_epochs=2, epochs=1, batch_size=16, transfer_learning_rate=2e-3, learning_rate=2e-3)
BY_NAME = pytest.mark.parametrize(
    "method", [method for method in METHODS if method.name != "meta-kd"], ids=lambda method: method.name
)
"""All but the one that wants a teacher of its own, which is tested beside it."""


def start(school: School) -> tuple[Any, Any]:
    return start_student(SHAPE, school.teacher, school.lessons, 1)


def test_a_recipe_knows_the_methods_that_there_are() -> None:
    assert set(get_args(MethodName)) == {method.name for method in METHODS}
    with pytest.raises(TrainingError, match="no method 'magic': choose of mobilebert, "):
        method_named("magic")


@BY_NAME
def test_a_method_trains_a_student_that_is_saved_without_what_it_learnt_beside(
    method: Method, school: School, tmp_path: Path
) -> None:
    student, alignment = start(school)
    names = set(student.state_dict())
    phases = method.phases(student, school.lessons, SETTINGS, alignment, 1)
    transfer, task = run_phases(student, school.lessons, phases, tmp_path)
    assert bool(transfer) == method.transfers
    assert [point.step for point in transfer] == sorted({point.step for point in transfer})
    assert task[-1].metric > 0.9
    save_student(student, tmp_path / "s")
    assert set(load_student(tmp_path / "s").state_dict()) == names


@BY_NAME
def test_a_method_lowers_its_own_first_loss(method: Method, school: School, tmp_path: Path) -> None:
    student, alignment = start(school)
    phase = method.phases(student, school.lessons, SETTINGS, alignment, 1)[0]
    phase = replace(phase, plan=replace(phase.plan, keep_best=False))  # the start decides all right as it is
    indices = list(range(40))
    with torch.no_grad():
        before = phase.loss(phase.model, indices).item()
    run_phases(student, school.lessons, [phase], tmp_path)
    with torch.no_grad():
        assert phase.loss(phase.model, indices).item() < before


@BY_NAME
def test_a_batch_of_one_teaches_as_well(method: Method, school: School) -> None:
    student, alignment = start(school)
    for phase in method.phases(student, school.lessons, SETTINGS, alignment, 1):
        assert torch.isfinite(phase.loss(phase.model, [3]))


@BY_NAME
def test_a_method_asks_for_no_more_than_is_kept(method: Method) -> None:
    needs = method.needs(SETTINGS)
    assert needs.joined(EVERYTHING) == EVERYTHING
    assert method.needs(SETTINGS.model_copy(update={"transfer_epochs": 0, "epochs": 0})) == Needs()


def test_needs_join_to_what_both_want() -> None:
    both = Needs(hidden=True, attention="weights").joined(Needs(relations=True, attention="scores"))
    assert both == Needs(hidden=True, attention="scores", relations=True)


def test_the_progressive_transfer_trains_a_layer_at_a_time_and_leaves_the_rest(school: School, tmp_path: Path) -> None:
    student, alignment = start(school)
    phases = method_named("mobilebert-progressive").phases(student, school.lessons, SETTINGS, alignment, 1)
    assert [phase.name for phase in phases] == ["transfer-0", "transfer-1", "task"]
    assert [phase.plan.epochs for phase in phases] == [1, 1, 1]
    before = {name: value.clone() for name, value in student.state_dict().items()}
    run_phases(student, school.lessons, phases[:1], tmp_path)
    moved = {name for name, value in student.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(".encoder.layer.0." in name for name in moved)
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_layers_that_had_their_turn_move_by_a_tenth_and_those_above_not_at_all() -> None:
    rate = rates_of_layer(1, 12)
    assert rate("mobilebert.encoder.layer.1.attention.self.query.weight") == 1
    assert rate("mobilebert.encoder.layer.0.bottleneck.input.dense.bias") == 0.1
    assert rate("mobilebert.encoder.layer.11.output.dense.bias") == 0  # 11 is not 1
    assert rate("mobilebert.embeddings.word_embeddings.weight") == rate("classifier.weight") == 0


def test_schedules_are_as_published(school: School) -> None:
    student, alignment = start(school)
    plans = {
        name: method_named(name).phases(student, school.lessons, SETTINGS, alignment, 1)[0].plan
        for name in ("mobilebert-progressive", "tinybert")
    }
    turn, constant = plans["mobilebert-progressive"], plans["tinybert"]
    assert (turn.warmup, turn.last_rate) == (0.1, 0.9)
    assert (constant.warmup, constant.last_rate) == (0.0, 1.0)


def test_a_layers_loss_is_of_its_own_teacher_layer(school: School) -> None:
    student, whole = copy_teacher(school.teacher)
    lesson = taught(school.lessons, [1, 2, 3], student)
    batch = lesson.batch
    with torch.no_grad():
        _, layers = student(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
    settings = SETTINGS.model_copy(update={"statistics": True})
    for layer in (0, 1):
        assert layer_losses(layers, lesson, settings, whole, (layer,)).item() < 0.05  # bf16 and f16 on the way
    lesson.lesson.hidden[0].add_(1.0)  # which the statistics alone see
    assert layer_losses(layers, lesson, settings, whole, (0,)).item() > 1
    assert layer_losses(layers, lesson, settings, whole, (1,)).item() < 0.05


def test_a_student_of_some_of_the_teachers_layers_starts_with_the_last_of_them(school: School, tmp_path: Path) -> None:
    student, alignment = copy_teacher(school.teacher, layers=1)
    kept = school.teacher.base_model.encoder.layer[1].attention.self.query.weight
    (layer,) = student.bert.encoder.layers()
    assert torch.equal(layer.attention.self.query.weight, kept)
    assert alignment.hidden == (0,)
    phases = method_named("distilbert").phases(student, one_layer(school), SETTINGS, alignment, 1)
    run_phases(student, school.lessons, phases, tmp_path)
    with torch.no_grad():
        assert validate(student, school.lessons) > 0.9


def one_layer(school: School) -> Any:
    """Lessons whose only kept layer is the teacher's last."""
    outputs = school.lessons.outputs
    assert outputs.hidden is not None
    return replace(school.lessons, outputs=replace(outputs, hidden=outputs.hidden[:, 1:], layers=1, attention=None))
