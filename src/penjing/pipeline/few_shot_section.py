"""The section `teacher.few_shot`: how a teacher is made of a few labelled texts and plain text. Left out: making it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from ..compress.few_shot.patterns import read_pattern
from .section import Section

if TYPE_CHECKING:
    from .sections import Recipe


class FewShot(Section):
    """For 8 to 64 labelled texts a class. head: a linear head on a frozen sentence encoder; pet: a word for each class,
    guessed in a pattern; contrastive: a pattern, without words. The last two label the texts of `distill.corpus`, of
    which the teacher then learns as `teacher` says; settings below `words` are theirs."""

    method: Literal["head", "pet", "contrastive"] = "head"
    patterns: tuple[str, ...] = Field(
        default=(), description="with {text} and {mask}, one model each; contrastive knows {prompt}, a learnt vector"
    )
    words: dict[str, str] = Field(default={}, description="pet's word of each label: one token of the teacher")
    steps: int = Field(default=250, ge=1, description="of training with each pattern")
    learning_rate: float = Field(default=5e-5, gt=0)
    batch_size: int = Field(default=16, ge=2)
    temperature: float = Field(default=2.0, gt=0, description="divides the logits that the teacher learns")
    head_steps: int = Field(
        default=1000, ge=1, description="steps of 64 texts that a missing masked-LM head is trained"
    )

    @model_validator(mode="after")
    def _prompts_fit(self) -> FewShot:
        if self.method == "head" and (self.patterns or self.words):
            raise ValueError("few_shot.method head has no prompts: leave patterns and words out, or choose pet")
        if self.method == "pet" and not self.patterns:
            raise ValueError("few_shot.method pet has no patterns: give some, such as '{text} It was {mask}.'")
        if self.method == "contrastive" and self.words:
            raise ValueError("few_shot.method contrastive takes no words for classes: leave words out, or choose pet")
        if self.method == "pet" and any(read_pattern(pattern).prompts for pattern in self.patterns):
            raise ValueError("few_shot.patterns of pet have words, no {prompt}: write words, or choose contrastive")
        for pattern in self.patterns:
            read_pattern(pattern)
        return self


def misfit(recipe: Recipe) -> str | None:
    """What of a recipe does not go with its `teacher.few_shot`, as a sentence with the next step; None if all does."""
    section, teacher, student = recipe.teacher.few_shot, recipe.teacher, recipe.student
    if section is None:
        return None
    if recipe.task.kind != "text-classification" or recipe.data.text_pair is not None:
        given = recipe.task.kind if recipe.data.text_pair is None else "pairs of texts"
        return f"teacher.few_shot is for one label of one text, not for {given}: leave it out"
    ways = {
        "teacher.answers": teacher.answers is not None, "teacher.intermediate": teacher.intermediate is not None,
        "distill.method meta-kd": recipe.learns_by_domain,
    }  # fmt: skip
    other = next((way for way, asked in ways.items() if asked), None)
    if other is not None:
        return f"teacher.few_shot and {other} both say how the teacher is made: leave one of the two out"
    if section.method == "head" and (student.architecture == "bert" or teacher.inverted_bottleneck is not None):
        other = "student.architecture bert" if student.architecture == "bert" else "teacher.inverted_bottleneck"
        return f"{other} takes over a head of [CLS], and few_shot.method head pools all tokens: choose pet, or {_OTHER}"
    if section.method != "pet":
        return None
    return _wrong_words(section.words, recipe.task.labels)


def _wrong_words(words: dict[str, str], labels: tuple[str, ...]) -> str | None:
    without = [label for label in labels if label not in words]
    if without:
        return f"teacher.few_shot.words has no word for the label {without[0]!r}: give each of task.labels one"
    unknown = [label for label in words if label not in labels]
    if unknown:
        return f"teacher.few_shot.words has a word for {unknown[0]!r}; task.labels has {', '.join(labels)}"
    return None


_OTHER = "a mobilebert student without it"
