"""The stage between teacher and student: the teacher distilled into an inverted bottleneck, whose outputs are learnt.

Left out: its shape and first weights (`compress/models/inverted.py`). It ships nothing and proves nothing: students are
judged beside the teacher itself.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ..compress.distill.methods import method_named
from ..compress.distill.methods.mobilebert import AUXILIARY
from ..compress.distill.student import distil_student, invert_teacher
from ..compress.teacher import load_teacher
from ..runtime.errors import RecipeError
from .ask import keep_outputs
from .fit import Sources, read_lessons, take_tokenizer
from .sections import Recipe
from .student_sections import Student
from .text_files import write_json
from .workspace import CHECKPOINTS, Workspace


def with_assistant(recipe: Recipe, space: Workspace, data: Path, corpus: Path, teacher: Path) -> Sources:
    """What a student learns from who is taught by the teacher's inverted bottleneck."""
    learning, shape = recipe.teacher.inverted_bottleneck, recipe.student
    if learning is None or not isinstance(shape, Student):
        raise RecipeError(f"{recipe.name} has no teacher.inverted_bottleneck: add one, or ask the teacher itself")
    outputs = keep_outputs(recipe, space, data, corpus, teacher, AUXILIARY.needs(learning))
    asked = Sources(data, corpus, teacher, outputs)

    def work(folder: Path) -> None:
        lessons = read_lessons(recipe, asked, teacher)
        model, alignment = invert_teacher(shape, load_teacher(teacher), lessons, recipe.seed)
        take_tokenizer(teacher, folder)
        curves = distil_student(
            model, alignment, lessons, learning, AUXILIARY,
            seed=recipe.seed, folder=folder, checkpoints=folder / CHECKPOINTS,
        )  # fmt: skip
        write_json(folder / "history.json", asdict(curves))

    settings = {"learning": learning.model_dump(), "student": shape.model_dump(), "seed": recipe.seed}
    inputs = [data, corpus, teacher, outputs]
    assistant = space.stage("inverted-bottleneck", work, inputs=inputs, settings=settings, collective=True)
    needs = method_named(recipe.distill.method).needs(recipe.distill)
    return replace(asked, outputs=keep_outputs(recipe, space, data, corpus, assistant, needs), assistant=assistant)
