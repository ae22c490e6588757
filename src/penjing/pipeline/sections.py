"""The sections of a text recipe: frozen pydantic models with the defaults beside the fields.

Left out: detectors (`detector_sections.py`), which sections do not go together (`recipe_fit.py`), reading a file and
saying what is wrong with it (`recipe.py`), and whether the named files exist and hold the named columns, which is
checked when the data is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .augmentation_section import Augmentation
from .corpus_section import Corpus
from .data_section import Data
from .few_shot_section import FewShot
from .lengths import EXPORTED, MEASURED, with_usual_lengths
from .prune_sections import Learning, Prune
from .recipe_fit import first_misfit
from .section import Length, Section
from .student_sections import AnyStudent, BertStudent, Student
from .task_sections import Task


class Intermediate(Section):
    """Labelled text of another task that the teacher learns before its own, one label a text or a pair."""

    labels: tuple[str, ...] = Field(min_length=2)
    data: Data
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)


class Teacher(Section):
    """The encoder to learn from: a local folder, a hub id, or `all-MiniLM-L6-v2` from its installed package."""

    model: str = "all-MiniLM-L6-v2"
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps over which the rate rises")
    evaluations_per_epoch: int = Field(default=1, ge=1)
    answers: str | None = Field(
        default=None,
        description="a table of another model's logits (a column a label) or labels of the training texts, which the"
        " encoder imitates: a black-box teacher",
    )
    few_shot: FewShot | None = Field(
        default=None, description="the teacher is made of a few labelled texts a class; see docs/few_shot.md"
    )
    intermediate: Intermediate | None = Field(
        default=None, description="another labelled task that the encoder learns first, where its own has few rows"
    )
    inverted_bottleneck: Learning | None = Field(
        default=None, description="how it is distilled into MobileBERT's teacher (IB-BERT) first, to be learnt from"
    )

    def settings(self) -> dict[str, Any]:
        """For the name of a stage: without what makes stages of its own."""
        return self.model_dump(exclude={"answers", "few_shot", "intermediate", "inverted_bottleneck"})


MethodName = Literal[
    "mobilebert", "mobilebert-joint", "mobilebert-progressive", "tinybert", "patient", "distilbert", "minilm",
    "minilmv2", "logits", "mean-squared-logits", "meta-kd",
]  # fmt: skip


class General(Section):
    """Distillation on plain text before the task, from the teacher before it was fine-tuned (TinyBERT's first stage):
    the transfer of `distill.method` alone."""

    corpus: tuple[Corpus, ...] = Field(min_length=1)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    batch_size: int = Field(default=64, ge=1)


class Distill(Learning):
    """How a fresh student learns, and the unlabelled text that it and a pruned one learn from beside the task's."""

    method: MethodName = Field(default="mobilebert", description="the published method; see docs/methods.md")
    corpus: tuple[Corpus, ...] = ()
    general: General | None = None
    augmentation: Augmentation | None = None
    seed: int = Field(default=1, ge=0, description="the student's own seed, so that seeds can share one teacher")
    minutes: float | None = Field(
        default=None, gt=0, description="learn for about so long on this machine: epochs say how phases share it"
    )

    def settings(self) -> dict[str, Any]:
        """For the name of the student's stage: how it learns, not from which text."""
        return self.without_unset("minutes", exclude=("corpus", "general", "augmentation"))


class QuantizedTraining(Section):
    """How the student learns with its values rounded as in an int8 file; losses are weighed as in its last training."""

    epochs: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    batch_size: int = Field(default=64, ge=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    evaluations_per_epoch: int = Field(default=2, ge=1)


class Precisions(Section):
    """Which precisions to make of each exported format. int8: weights in 8 bits, activations while running."""

    precisions: tuple[Literal["fp32", "int8"], ...] = Field(default=("fp32", "int8"), min_length=1)


class Quantize(Precisions):
    """Precisions, and training for int8."""

    training: QuantizedTraining | None = Field(
        default=None, description="trains the student for int8 where an int8 file breaks a limit; else not at all"
    )

    @model_validator(mode="after")
    def _trains_for_a_file(self) -> Quantize:
        if self.training is not None and "int8" not in self.precisions:
            raise ValueError(
                f"training is for int8 files, but precisions are {list(self.precisions)}: add int8 or take out training"
            )
        return self


class Files(Section):
    """Which files to make."""

    formats: tuple[Literal["onnx", "tflite"], ...] = Field(default=("onnx", "tflite"), min_length=1)
    sequence_lengths: tuple[Length, ...] = Field(
        default=EXPORTED, min_length=1, description="one TFLite signature each; by default up to task.max_length"
    )
    opset: int = Field(default=18, ge=18, le=23, description="of ONNX; below 18 torch drops the names of modules")


class Export(Files):
    """Which files to make, and what they tell."""

    metadata: bool = Field(default=True, description="what TFLite files say of themselves, where uv is installed")


class Limits(Section):
    """What every exported file must keep, compared with the torch student on the validation text."""

    flips: float = Field(default=0.015, ge=0, le=1, description="largest share of decisions that may differ")
    metric_drop: float = Field(default=0.005, ge=0, le=1, description="largest loss of the metric")
    logit_difference: float | None = Field(default=None, gt=0, description="largest difference of a logit, if limited")


class Benchmark(Section):
    """How the last stage measures."""

    lengths: tuple[Length, ...] = Field(default=MEASURED, description="by default up to task.max_length")
    threads: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 2), min_length=1)
    rounds: int = Field(default=20, ge=3, description="interleaved blocks of each subject")
    repeats: int = Field(default=10, ge=1, description="timed calls in a block")
    texts: int = Field(default=200, ge=1, description="validation texts timed with tokenization")
    cold_rounds: int = Field(default=5, ge=1, description="fresh processes of each subject")


class Recipe(Section):
    """All sections."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seed: int = Field(default=1, ge=0)
    task: Task
    data: Data
    teacher: Teacher = Teacher()
    student: AnyStudent = Student()
    distill: Distill = Distill()
    prune: Prune | None = None
    quantize: Quantize = Quantize()
    export: Export = Export()
    limits: Limits = Limits()
    benchmark: Benchmark = Benchmark()

    @property
    def untrained(self) -> bool:
        """Whether the student is the teacher itself, which pruning cuts."""
        return isinstance(self.student, BertStudent) and self.student.layers is None

    @property
    def two_towers(self) -> bool:
        """Whether the student reads each text of a pair alone."""
        return isinstance(self.student, Student) and self.student.towers is not None

    @property
    def learns_by_domain(self) -> bool:
        """Whether the teacher is a meta-teacher."""
        return self.distill.method == "meta-kd" and not self.untrained

    @property
    def latency_precision(self) -> Literal["fp32", "int8"] | None:
        """Of the ONNX file that a latency budget is about; None without one."""
        budget = None if self.prune is None else self.prune.budget
        if budget is None or budget.latency_ms is None:
            return None
        return budget.precision or ("int8" if "int8" in self.quantize.precisions else "fp32")

    @model_validator(mode="before")
    @classmethod
    def _lengths_follow(cls, sections: Any) -> Any:
        return with_usual_lengths(sections)

    @model_validator(mode="after")
    def _sections_fit(self) -> Recipe:
        problem = first_misfit(self)
        if problem is not None:
            raise ValueError(problem)
        return self
