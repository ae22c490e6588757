"""The tasks of text, one a file: each a word for `task.kind` in a recipe."""

from __future__ import annotations

from ...runtime.errors import RecipeError
from . import many_labels, one_label, regression, token_labels
from .task import Goal, Task, make_goal

TASKS: tuple[Task, ...] = (one_label.TASK, many_labels.TASK, regression.TASK, token_labels.TASK)
KINDS = tuple(task.kind for task in TASKS)

__all__ = ["KINDS", "TASKS", "Goal", "Task", "make_goal", "task_named"]


def task_named(kind: str) -> Task:
    """Raises RecipeError for a word that is none of them."""
    for task in TASKS:
        if task.kind == kind:
            return task
    raise RecipeError(f"no task {kind!r}: choose of {', '.join(KINDS)}")
