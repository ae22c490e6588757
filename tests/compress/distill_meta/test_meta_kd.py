"""Meta-distillation: its loss is the sum of its terms, weighed text by text, and a tiny student learns by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from penjing.compress.distill.lessons import Lessons, taught, validate
from penjing.compress.distill.meta.knowledge import MetaKnowledge, read_meta_knowledge, write_meta_knowledge
from penjing.compress.distill.meta.student_losses import (
    attention_losses,
    decision_losses,
    state_losses,
    transferable_losses,
)
from penjing.compress.distill.method import run_phases
from penjing.compress.distill.methods.meta_kd import METHOD, MetaStudent, task_loss, transfer_loss
from penjing.compress.distill.student import start_student
from penjing.compress.distill.teacher_cache import read_teacher_outputs, write_teacher_outputs
from penjing.compress.models.checkpoint import load_student, save_student
from penjing.compress.teacher import load_teacher
from penjing.compress.tokens import tokenize
from penjing.pipeline.sections import Distill
from penjing.pipeline.student_sections import Student
from penjing.runtime.errors import TrainingError

SHAPE = Student(
    layers=2, hidden_size=24, bottleneck_size=16, embedding_size=16, heads=4, intermediate_size=16, feed_forwards=2
)
SETTINGS = Distill(
    method="meta-kd", transfer_epochs=1, epochs=2, batch_size=16, transfer_learning_rate=2e-3, learning_rate=2e-3,
    temperature=2.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def lessons(meta_school: Any, tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    outputs, data, held_out = tmp_path_factory.mktemp("outputs"), meta_school.train, meta_school.held_out
    texts = tokenize(data.texts, meta_school.teacher, 16)
    teacher = load_teacher(meta_school.teacher)
    write_teacher_outputs(teacher, texts, outputs, layers=(0, 1), needs=METHOD.needs(SETTINGS))
    write_meta_knowledge(meta_school.teacher, outputs, texts, data.labels, data.domains)
    validation = tokenize(held_out.texts, meta_school.teacher, 16)
    return Lessons(
        texts, read_teacher_outputs(outputs, texts), data.labels, validation, held_out.labels,
        np.ones(len(data.texts), bool), read_meta_knowledge(outputs),
    )  # fmt: skip


@pytest.fixture
def started(meta_school: Any, lessons: Lessons) -> Any:
    return start_student(SHAPE, load_teacher(meta_school.teacher), lessons, 1)


def meta_of(lessons: Lessons) -> MetaKnowledge:
    assert lessons.meta is not None
    return lessons.meta


def with_expertise(lessons: Lessons, change: Callable[[torch.Tensor], torch.Tensor]) -> Lessons:
    meta = meta_of(lessons)
    return replace(lessons, meta=replace(meta, expertise=change(meta.expertise)))


def test_the_transfer_is_the_weighted_sum_of_its_terms(started: Any, lessons: Lessons) -> None:
    student, alignment = started
    model, meta, indices = MetaStudent(student, 32, 3).eval(), meta_of(lessons), [3, 50, 240]
    lesson = taught(lessons, indices, model)
    batch, teacher = lesson.batch, lesson.lesson
    states, scores, z = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, meta.domains[indices])
    losses = 0.5 * transferable_losses(z, meta.z[indices]) + state_losses(states[0], teacher.embeddings[0], lesson.mask)
    for layer in (0, 1):
        losses = losses + state_losses(states[layer + 1], teacher.hidden[layer], lesson.mask)
        losses = losses + attention_losses(scores[layer], teacher.scores[layer], lesson.mask)
    found = transfer_loss(lessons, SETTINGS, alignment)(model, indices)
    assert found.item() == pytest.approx((meta.expertise[indices] * losses).mean().item(), rel=1e-5)


def test_the_task_is_the_weighted_sum_of_its_terms(started: Any, lessons: Lessons) -> None:
    student, meta, indices = started[0], meta_of(lessons), [3, 50, 240]
    lesson = taught(lessons, indices, student)
    batch = lesson.batch
    logits = student(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    losses = decision_losses(logits, lesson.lesson.logits, 2.0)
    found = task_loss(lessons, SETTINGS)(student, indices)
    assert found.item() == pytest.approx((meta.expertise[indices] * losses).mean().item(), rel=1e-5)


def test_a_texts_own_expertise_is_what_weighs_it_in_both_phases(started: Any, lessons: Lessons) -> None:
    # Were a mean over the batch multiplied by the weights, the loss of text 3 alone would not come back.
    student, alignment = started
    model = MetaStudent(student, 32, 3).eval()
    alone = with_expertise(lessons, lambda old: torch.zeros_like(old).index_fill(0, torch.tensor([3]), 1.0))
    phases: tuple[tuple[Any, Any], ...] = (
        (model, transfer_loss(alone, SETTINGS, alignment)),
        (student, task_loss(alone, SETTINGS)),
    )
    for trained, loss in phases:
        together, single = loss(trained, [3, 50]).item(), loss(trained, [3]).item()
        assert single > 0 and together == pytest.approx(single / 2, rel=1e-4)


def test_every_part_of_the_student_but_its_head_learns_from_the_transfer(started: Any, lessons: Lessons) -> None:
    student, alignment = started
    model = MetaStudent(student, 32, 3)
    transfer_loss(lessons, SETTINGS, alignment)(model, list(range(16))).backward()  # type: ignore[no-untyped-call]
    still = {name for name, p in model.named_parameters() if p.grad is None}
    assert {name.split(".")[1] for name in still} <= {"classifier", "mobilebert"} and len(still) <= 4


def test_a_student_learns_and_nothing_that_it_learned_with_is_kept(
    started: Any, lessons: Lessons, tmp_path: Path
) -> None:
    student, alignment = started
    names = set(student.state_dict())
    phases = METHOD.phases(student, lessons, SETTINGS, alignment, 1)
    assert [phase.name for phase in phases] == ["transfer", "task"]
    run_phases(student, lessons, phases, tmp_path)
    with torch.no_grad():
        assert validate(student, lessons) > 0.8
    save_student(student, tmp_path / "student")
    assert set(load_student(tmp_path / "student").state_dict()) == names


def test_a_plain_teacher_or_texts_without_labels_are_refused(started: Any, lessons: Lessons) -> None:
    plain = replace(lessons, meta=None)
    more = replace(lessons, meta=replace(meta_of(lessons), expertise=torch.ones(7)))
    for unfit in (plain, more):
        with pytest.raises(TrainingError, match=r"name data\.domain or data\.domains"):
            METHOD.phases(started[0], unfit, SETTINGS, started[1], 1)
