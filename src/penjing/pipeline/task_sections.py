"""The section `task` of a text recipe: what is decided. Left out: what follows from it (`compress/tasks`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, model_validator

from .lengths import LONGEST
from .section import Section

if TYPE_CHECKING:
    from ..compress.tasks.task import Task as Meaning

TaskKind = Literal["text-classification", "multi-label-classification", "regression", "token-classification"]
TEXT_KINDS: tuple[str, ...] = get_args(TaskKind)


class OutOfScope(Section):
    """Texts about none of the labels: the answer says so where the best label's probability is too low.

    The threshold is chosen on validation text in scope. Texts that are out of scope, rows of one label or files of
    them, only tell how many are found.
    """

    false_rejections: float = Field(
        default=0.05, gt=0, lt=1, description="share of the texts in scope that may be turned away"
    )
    label: str | None = Field(default=None, description="the label of rows that are out of scope")
    validation: str | None = Field(default=None, description="a file of texts that are out of scope")
    test: str | None = None


class Task(Section):
    """What the model decides. `labels` are the label names in the order of the logits; of words, those of the spans.

    A task is one of pairs where `data.text_pair` names the second text's column.
    """

    kind: TaskKind = "text-classification"
    labels: tuple[str, ...] = ()
    max_length: int = Field(default=LONGEST, ge=4, description="longest input in tokens; longer texts are cut")
    metric: str | None = Field(default=None, description="what the best epoch and the proof go by; the task's own")
    out_of_scope: OutOfScope | None = None

    @property
    def meaning(self) -> Meaning:
        """Its losses, metric and all else that follows from the kind."""
        from ..compress.tasks import task_named  # torch takes seconds to load, which no look at a recipe needs

        return task_named(self.kind)

    def settings(self) -> dict[str, Any]:
        """For the name of a stage: without keys that are not set, so that what is kept stays found. A threshold and
        what is turned away by it are no part of any training."""
        return self.model_dump(exclude_none=True, exclude={"out_of_scope"})

    @model_validator(mode="after")
    def _labels_fit(self) -> Task:
        if len(set(self.labels)) != len(self.labels) or not all(self.labels):
            raise ValueError(f"labels are {list(self.labels)}: give each class one name, all different")
        if self.kind == "regression":
            if self.labels:
                raise ValueError("regression gives a number, which has no labels: leave task.labels out")
            return self
        least = 1 if self.kind == "token-classification" else 2
        if len(self.labels) < least:
            raise ValueError(f"labels are {list(self.labels)}: {self.kind} needs at least {least}")
        tags = [label for label in self.labels if label == "O" or label[:2] in ("B-", "I-")]
        if self.kind == "token-classification" and tags:
            raise ValueError(f"labels hold the tag {tags[0]!r}: name the labels of spans, without O, B- and I-")
        return self

    @model_validator(mode="after")
    def _metric_fits(self) -> Task:
        if self.metric is not None and self.metric not in self.meaning.metrics:
            known = ", ".join(self.meaning.metrics)
            raise ValueError(f"metric is {self.metric!r}, {self.kind} has {known}: choose one of these")
        if self.metric == "f1" and len(self.labels) != 2:
            raise ValueError(f"metric f1 is of the second of two labels, here are {len(self.labels)}: take accuracy")
        return self

    @model_validator(mode="after")
    def _scope_fits(self) -> Task:
        if self.out_of_scope is None:
            return self
        if self.kind != "text-classification":
            raise ValueError(f"out_of_scope is for text-classification, not {self.kind}: leave it out")
        if self.out_of_scope.label in self.labels:
            raise ValueError(
                f"out_of_scope.label {self.out_of_scope.label!r} is one of the labels: take it out of labels"
            )
        return self
