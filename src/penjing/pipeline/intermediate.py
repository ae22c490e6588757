"""The stage in which a teacher's encoder learns another labelled task first (Phang et al. 2018, arXiv 1811.01088).

Few rows teach an encoder little; many of a related task help. The head of that task is thrown away. Left out: the task
itself, which is `fit.py`'s.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ..compress.domains import split_files
from ..compress.tasks import make_goal, one_label
from ..compress.teacher import fine_tune_teacher, load_teacher
from ..compress.text_encoder import encoder_files
from .reading import digests_of, load_splits
from .sections import Recipe, Teacher
from .text_files import write_json
from .workspace import CHECKPOINTS, Workspace, file_digest


def after_intermediate(recipe: Recipe, space: Workspace) -> tuple[Teacher, list[Path]]:
    """The teacher's section, whose model is the encoder's folder where `teacher.intermediate` made one, and that
    folder, if any.

    Raises DataError for labelled text that cannot be read.
    """
    teacher, section = recipe.teacher, recipe.teacher.intermediate
    if section is None:
        return teacher, []

    def work(folder: Path) -> None:
        data = load_splits(section.data, section.labels)
        plan = {name: getattr(section, name) for name in ("epochs", "batch_size", "learning_rate", "warmup")}
        history = fine_tune_teacher(
            teacher.model_copy(update=plan), make_goal(one_label.TASK, section.labels, data.train.labels), data.train,
            data.validation, max_length=recipe.task.max_length, seed=recipe.seed, folder=folder,
            checkpoints=folder / CHECKPOINTS,
        )  # fmt: skip
        load_teacher(folder).base_model.save_pretrained(str(folder))  # without the head, whose labels are others
        write_json(folder / "history.json", [asdict(point) for point in history])

    settings = {
        "intermediate": section.model_dump(mode="json"), "teacher": teacher.model, "seed": recipe.seed,
        "max_length": recipe.task.max_length, "encoder": [file_digest(path) for path in encoder_files(teacher.model)],
        "digests": digests_of(split_files(section.data)),
    }  # fmt: skip
    made = space.stage("intermediate-teacher", work, settings=settings, collective=True)
    return teacher.model_copy(update={"model": str(made)}), [made]
