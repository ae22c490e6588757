"""The stage before the task: the student learns the layers of its teacher, before that was fine-tuned, on plain text.

TinyBERT's general distillation (arXiv 1909.10351, section 3.2), for any method that has a transfer. The head is not
taught: the task's own phases do that. Left out: what comes after, which is the same with and without it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ..compress.distill.alignment import Alignment, write_alignment
from ..compress.distill.lessons import Lessons
from ..compress.distill.method import TRANSFER, run_phases
from ..compress.distill.methods import method_named
from ..compress.distill.student import copy_teacher, start_student
from ..compress.distill.teacher_cache import read_teacher_outputs, write_teacher_outputs
from ..compress.distill.teacher_states import count_layers
from ..compress.models.checkpoint import save_student
from ..compress.models.closed_form import layer_map
from ..compress.teacher import load_encoder
from ..compress.tokens import tokenize
from .fit import teacher_digest
from .reading import read_plain_text
from .sections import General, Recipe
from .student_sections import Student
from .text_files import read_rows
from .workspace import CHECKPOINTS, Workspace


def teach_generally(recipe: Recipe, space: Workspace, data: Path) -> Path | None:
    """The student after its general distillation, and its alignment; None where the recipe has none."""
    general = recipe.distill.general
    if general is None:
        return None
    corpus = read_plain_text(recipe, space, data, general.corpus)
    outputs = recipe.task.meaning.outputs(recipe.task.labels)

    def work(folder: Path) -> None:
        teacher, tokenizer = load_encoder(recipe.teacher.model, outputs, recipe.task.max_length)
        tokenizer.save_pretrained(str(folder))
        lessons = _lessons(recipe, general, teacher.eval(), corpus, folder)
        student, alignment = _start(recipe, teacher, lessons)
        _train(recipe, general, student, alignment, lessons, folder / CHECKPOINTS)
        save_student(student.cpu(), folder)
        write_alignment(alignment, folder)

    settings = {
        "general": general.model_dump(exclude={"corpus"}),
        "student": recipe.student.model_dump(exclude_none=True),
        "distill": _weights(recipe, general),
        "method": recipe.distill.method,
        "seed": recipe.distill.seed,
        "labels": len(outputs),
        "max_length": recipe.task.max_length,
        "teacher": [recipe.teacher.model, teacher_digest(recipe)],
    }
    return space.stage("general-student", work, inputs=[corpus], settings=settings, collective=True)


def _lessons(recipe: Recipe, general: General, teacher: Any, corpus: Path, folder: Path) -> Lessons:
    """What the teacher says of the plain text; kept for this stage alone."""
    raw = tuple(row["text"] for row in read_rows(corpus / "corpus.jsonl"))
    texts = tokenize(raw, folder, recipe.task.max_length)
    kept = folder / CHECKPOINTS / "outputs"
    needs, count = method_named(recipe.distill.method).needs(_settings(recipe, general)), count_layers(teacher)
    if not (kept / "outputs.json").is_file():
        write_teacher_outputs(
            teacher, texts, kept, layers=layer_map(recipe.student.layers or count, count), needs=needs
        )
    outputs = read_teacher_outputs(kept, texts)
    return Lessons(texts, outputs, (), texts, (), np.ones(len(texts), bool))


def _start(recipe: Recipe, teacher: Any, lessons: Lessons) -> tuple[Any, Alignment]:
    if not isinstance(recipe.student, Student):
        return copy_teacher(teacher, recipe.student.layers)
    return start_student(recipe.student, teacher, lessons, recipe.distill.seed)


def _train(
    recipe: Recipe, general: General, student: nn.Module, alignment: Alignment, lessons: Lessons, checkpoints: Path
) -> None:
    method, settings = method_named(recipe.distill.method), _settings(recipe, general)
    phases = method.phases(student, lessons, settings, alignment, recipe.distill.seed)
    transfer = [replace(p, plan=replace(p.plan, keep_best=False)) for p in phases if p.part == TRANSFER]
    run_phases(student, lessons, transfer, checkpoints, lambda: 0.0)  # plain text has no right answers


def _settings(recipe: Recipe, general: General) -> Any:
    """The method's settings with this stage's length and rate."""
    return recipe.distill.model_copy(
        update={
            "transfer_epochs": general.epochs, "transfer_learning_rate": general.learning_rate,
            "batch_size": general.batch_size, "logits_weight": 0.0, "evaluations_per_epoch": 1,
        }
    )  # fmt: skip


def _weights(recipe: Recipe, general: General) -> dict[str, Any]:
    """What of the settings decides this stage's result."""
    names = {"feature_weight", "attention_weight", "statistics", "warmup"}
    chosen: dict[str, Any] = _settings(recipe, general).model_dump(include=names)
    return chosen
