"""What a method of distillation is: what it needs of the teacher, and the phases in which a student learns.

Left out: the methods, one a file in `methods/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ..training import Evaluate, Evaluation, Rates, StepLoss, TrainingPlan, one_rate, plan_of, train
from .alignment import Alignment
from .lessons import DistillSettings, Lessons, validate
from .teacher_cache import Needs

TRANSFER, TASK = "transfer", "task"


@dataclass(frozen=True)
class Phase:
    """One training. `model` is the student, or holds it with what is learnt beside it and thrown away after.

    `part` is the curve that it belongs to, TRANSFER or TASK.
    """

    name: str
    part: str
    model: nn.Module
    loss: StepLoss
    plan: TrainingPlan
    rates: Rates = one_rate


@dataclass(frozen=True)
class Method:
    """A way to learn from a teacher, by its word in a recipe.

    `needs(settings)` is what has to be kept of the teacher; `phases(student, lessons, settings, alignment, seed)` are
    done in order. `asks` says what of the student answers to the teacher: its layers one by one, its last layer alone,
    or only its answers, which any student has; `by_head` that its heads do one by one. `transfers` says whether
    there is a phase before the task's, `answers_early` whether that one teaches the answers, too.
    """

    name: str
    needs: Callable[[DistillSettings], Needs]
    phases: Callable[[Any, Lessons, DistillSettings, Alignment, int], Sequence[Phase]]
    asks: Literal["layers", "last layer", "answers"] = "layers"
    by_head: bool = False
    transfers: bool = True
    answers_early: bool = False


def run_phases(
    student: nn.Module,
    lessons: Lessons,
    phases: Sequence[Phase],
    checkpoints: Path,
    evaluate: Evaluate | None = None,
) -> tuple[list[Evaluation], list[Evaluation]]:
    """Trains the student in place; returns the curves of transfer and task. Resumes from `checkpoints`.

    Judged by `evaluate`, else by its accuracy on the validation text.
    """
    judge = evaluate or (lambda: validate(student, lessons))
    curves: dict[str, list[Evaluation]] = {TRANSFER: [], TASK: []}
    for phase in phases:
        if phase.plan.epochs == 0:
            continue
        folder = checkpoints / phase.name
        folder.mkdir(parents=True, exist_ok=True)
        curve = train(
            phase.model, lessons.texts.lengths, phase.loss, judge, phase.plan, folder,
            f"student: {phase.name}", phase.rates,
        )  # fmt: skip
        before = curves[phase.part]
        done = before[-1].step if before else 0
        before += [replace(point, step=point.step + done) for point in curve]
    return curves[TRANSFER], curves[TASK]


def transfer_plan(settings: DistillSettings, seed: int, **changes: Any) -> TrainingPlan:
    """The recipe's plan of the phase before the task's."""
    plan = TrainingPlan(
        settings.transfer_epochs, settings.batch_size, settings.transfer_learning_rate, settings.warmup,
        settings.evaluations_per_epoch, seed,
    )  # fmt: skip
    return replace(plan, **changes)


def task_plan(settings: DistillSettings, seed: int, **changes: Any) -> TrainingPlan:
    """The recipe's plan of the task's phase."""
    return replace(plan_of(settings, seed), **changes)
