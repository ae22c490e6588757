"""The sections of a sentence encoder's recipe. Sections that text shares are in `../sections.py`.

Left out: whether the named files exist and hold the named columns, which is checked when the data is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..lengths import LONGEST, too_long, with_usual_lengths
from ..section import Section
from ..sections import Benchmark, Files, Precisions
from ..student_sections import Student

Size = Annotated[int, Field(ge=2)]


class EmbeddingTask(Section):
    """Tells a sentence encoder's recipe from others, and what its vectors are."""

    kind: Literal["embedding"]
    size: Size | None = Field(default=None, description="numbers of a vector; as many as the teacher's if not given")
    cuts: tuple[Size, ...] = Field(default=(), description="shorter sizes that a vector may be cut to")
    max_length: int = Field(default=LONGEST, ge=4, description="longest input in tokens; longer texts are cut")

    @model_validator(mode="after")
    def _cuts_are_shorter(self) -> EmbeddingTask:
        if list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError(f"cuts are {list(self.cuts)}: give them ascending, each once")
        if self.cuts and self.size is not None and self.cuts[-1] >= self.size:
            raise ValueError(f"a cut of {self.cuts[-1]} does not shorten vectors of {self.size}: give smaller cuts")
        return self


class Texts(Section):
    """Plain text to learn from: a file with a sentence a line, or columns of a table."""

    file: str
    columns: tuple[str, ...] = Field(default=(), description="that hold text; none: a sentence a line")
    names: tuple[str, ...] = Field(default=(), description="of all columns, of a TSV without a header")
    rows: int | None = Field(default=None, ge=1, description="take this many texts, drawn by the seed")


class Groups(Texts):
    """Rows of texts that belong together: anchor, positive and, if there is a third column, hard negative."""

    columns: tuple[str, ...] = Field(min_length=2, max_length=3)


class EmbeddingData(Section):
    """Pairs that people scored, to judge by, and plain text, to learn from."""

    validation: str
    test: str | None = None
    names: tuple[str, ...] = Field(default=(), description="of all columns, of a TSV of pairs without a header")
    first: str = Field(default="sentence1", description="column of a pair's first text")
    second: str = Field(default="sentence2", description="column of a pair's second text")
    score: str = Field(default="score", description="column of the score; higher is more alike")
    alike: float = Field(default=4.0, description="pairs above this score mean the same: alignment is measured on them")
    texts: tuple[Texts, ...] = Field(min_length=1)


class SimCse(Section):
    """SimCSE training of the teacher (arXiv 2104.08821). Supervised where `pairs` are given, else on `data.texts`."""

    pairs: Groups | None = None
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=3e-5, gt=0)
    warmup: float = Field(default=0.0, ge=0, lt=1)
    evaluations_per_epoch: int = Field(default=10, ge=1)
    max_length: int = Field(default=32, ge=4)
    temperature: float = Field(default=0.05, gt=0)
    hard_negative_weight: float = Field(default=0.0, description="log alpha: a hard negative of 0 counts as others do")
    head: Literal["none", "training", "always"] | None = Field(
        default=None, description="where Linear and tanh stand behind the pooling; as published if not given: in"
        " training alone, or always where it is supervised",
    )  # fmt: skip

    @property
    def head_place(self) -> str:
        """`head`, or the published one."""
        return self.head or ("training" if self.pairs is None else "always")


class SentenceTeacher(Section):
    """The sentence encoder to learn from: a local folder, a hub id, or `all-MiniLM-L6-v2` from its package."""

    model: str = "all-MiniLM-L6-v2"
    pooling: Literal["mean", "cls"] | None = Field(default=None, description="as its folder says, else the mean")
    simcse: SimCse | None = Field(default=None, description="trains it before the student learns; else it stays as is")


class VectorDistill(Section):
    """How the student learns its teacher's vectors."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    evaluations_per_epoch: int = Field(default=2, ge=1)
    vector_weight: float = Field(default=1.0, ge=0, description="of 1 - cosine to the teacher's vector")
    structure_weight: float = Field(default=10.0, ge=0, description="of the batch's cosines beside the teacher's")
    seed: int = Field(default=1, ge=0, description="the student's own seed, so that seeds can share one teacher")

    @model_validator(mode="after")
    def _learns(self) -> VectorDistill:
        if not self.vector_weight + self.structure_weight:
            raise ValueError("vector_weight and structure_weight are both 0, so nothing is learnt: give one of them")
        return self


class EmbeddingLimits(Section):
    """What every exported file must keep, compared with the torch student on the validation pairs."""

    flips: float = Field(default=0.05, ge=0, le=1, description="largest share of texts with another nearest text")
    metric_drop: float = Field(default=0.005, ge=0, le=1, description="largest loss of the rank correlation")
    cosine: float = Field(default=0.98, ge=-1, le=1, description="least cosine of a vector and the torch student's")

    @property
    def logit_difference(self) -> None:
        """There are no logits."""


class EmbeddingRecipe(Section):
    """All sections."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seed: int = Field(default=1, ge=0)
    task: EmbeddingTask
    data: EmbeddingData
    teacher: SentenceTeacher = SentenceTeacher()
    student: Student = Student()
    distill: VectorDistill = VectorDistill()
    quantize: Precisions = Precisions()
    export: Files = Files()
    limits: EmbeddingLimits = EmbeddingLimits()
    benchmark: Benchmark = Benchmark()

    @model_validator(mode="before")
    @classmethod
    def _lengths_follow(cls, sections: Any) -> Any:
        return with_usual_lengths(sections)

    @model_validator(mode="after")
    def _sections_fit(self) -> EmbeddingRecipe:
        if self.student.towers is not None:
            raise ValueError("student.towers is for pairs, whose two texts one task decides: leave it out")
        problem = too_long(self.benchmark.lengths, self.task.max_length)
        if problem is not None:
            raise ValueError(problem)
        return self
