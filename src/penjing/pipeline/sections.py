"""The sections of a text recipe: frozen pydantic models with the defaults beside the fields.

Left out: detectors (`detector_sections.py`), reading a file and saying what is wrong with it (`recipe.py`), and whether
the named files exist and hold the named columns, which is checked when the data is read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .augmentation_section import Augmentation
from .data_section import Data
from .few_shot_section import FewShot, misfit
from .prune_sections import Learning, Prune
from .section import Length, Section
from .student_sections import AnyStudent, BertStudent, BiLstmStudent, Student
from .task_sections import Task


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
    inverted_bottleneck: Learning | None = Field(
        default=None, description="how it is distilled into MobileBERT's teacher (IB-BERT) first, to be learnt from"
    )


class Corpus(Section):
    """Unlabelled text for the transfer: one file, how to read it and how much of it to take."""

    file: str
    column: str | None = Field(default=None, description="column of a table; plain text has one sentence a line")
    sentences: bool = Field(default=False, description="split each row into sentences")
    rows: int | None = Field(default=None, ge=1, description="take this many sentences, drawn by the seed")


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


class QuantizedTraining(Section):
    """How the student learns with its values rounded as in an int8 file; losses are weighed as in its last training."""

    epochs: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    batch_size: int = Field(default=64, ge=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    evaluations_per_epoch: int = Field(default=2, ge=1)


class Quantize(Section):
    """Which precisions to make of each exported format. int8: weights in 8 bits, activations while running."""

    precisions: tuple[Literal["fp32", "int8"], ...] = Field(default=("fp32", "int8"), min_length=1)
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


class Export(Section):
    """Which files to make."""

    formats: tuple[Literal["onnx", "tflite"], ...] = Field(default=("onnx", "tflite"), min_length=1)
    sequence_lengths: tuple[Length, ...] = Field(
        default=(32, 64, 128), min_length=1, description="one TFLite signature each"
    )
    opset: int = Field(default=18, ge=18, le=23, description="of ONNX; below 18 torch drops the names of modules")
    metadata: bool = Field(default=True, description="what TFLite files say of themselves, where uv is installed")


class Limits(Section):
    """What every exported file must keep, compared with the torch student on the validation text."""

    flips: float = Field(default=0.015, ge=0, le=1, description="largest share of decisions that may differ")
    metric_drop: float = Field(default=0.005, ge=0, le=1, description="largest loss of the metric")
    logit_difference: float | None = Field(default=None, gt=0, description="largest difference of a logit, if limited")


class Benchmark(Section):
    """How the last stage measures."""

    lengths: tuple[Length, ...] = (32, 128)
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

    @model_validator(mode="after")
    def _latency_is_measured(self) -> Recipe:
        precision, length = self.latency_precision, self.task.max_length
        if precision is None:
            return self
        if "onnx" not in self.export.formats:
            raise ValueError("prune.budget.latency_ms is about an ONNX file: add onnx to export.formats")
        if precision not in self.quantize.precisions:
            raise ValueError(f"prune.budget.latency_ms is about {precision}: add it to quantize.precisions")
        if length not in self.benchmark.lengths or 1 not in self.benchmark.threads:
            raise ValueError(
                f"prune.budget.latency_ms is about {length} tokens (task.max_length) on 1 thread: add them to"
                " benchmark.lengths and benchmark.threads, so that what came out is measured"
            )
        return self

    @model_validator(mode="after")
    def _student_comes_about(self) -> Recipe:
        if self.untrained and "method" in self.distill.model_fields_set:
            raise ValueError(
                f"student.architecture bert without layers is the teacher itself, which is not distilled, so"
                f" distill.method {self.distill.method} does nothing: give student.layers, or take the method out"
            )
        return self

    @model_validator(mode="after")
    def _lstm_fits(self) -> Recipe:
        if not isinstance(self.student, BiLstmStudent):
            return self
        parts = {
            "prune": self.prune is not None,
            "quantize.training": self.quantize.training is not None,
            f"task.kind {self.task.kind}": self.task.kind == "token-classification",
        }
        unfit = next((part for part, given in parts.items() if given), None)
        if unfit is not None:
            raise ValueError(f"{unfit} is not for student.architecture bilstm: leave it out, or choose mobilebert")
        return self

    @model_validator(mode="after")
    def _towers_fit(self) -> Recipe:
        if not self.two_towers:
            return self
        if self.data.text_pair is None:
            raise ValueError(
                "student.towers is for pairs: name the second text's column in data.text_pair, or leave it out"
            )
        parts = {
            "quantize.training": self.quantize.training is not None,
            "teacher.inverted_bottleneck": self.teacher.inverted_bottleneck is not None,
        }
        unfit = next((part for part, given in parts.items() if given), None)
        if unfit is not None:
            raise ValueError(f"{unfit} learns layer by layer, which student.towers does not: leave one of the two out")
        return self

    @model_validator(mode="after")
    def _domains_fit(self) -> Recipe:
        if self.data.has_domains and self.task.kind != "text-classification":
            raise ValueError(f"domains are those of texts with one label each, but task.kind is {self.task.kind}")
        if self.data.has_domains and self.task.out_of_scope is not None:
            raise ValueError("texts that are out of scope have no domain: leave task.out_of_scope or the domains out")
        return self

    @model_validator(mode="after")
    def _black_box_fits(self) -> Recipe:
        if self.teacher.answers is not None and (self.task.kind != "text-classification" or self.learns_by_domain):
            raise ValueError(
                f"teacher.answers are of a plain text-classification, not of {self.task.kind} with"
                f" {self.distill.method}: take them out"
            )
        return self

    @model_validator(mode="after")
    def _few_shot_fits(self) -> Recipe:
        problem = misfit(self)
        if problem is not None:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _assistant_fits(self) -> Recipe:
        if self.teacher.inverted_bottleneck is not None and not isinstance(self.student, Student):
            raise ValueError(
                f"teacher.inverted_bottleneck has a mobilebert student's shape, but student.architecture is"
                f" {self.student.architecture}: leave one of the two out"
            )
        if self.teacher.inverted_bottleneck is not None and self.distill.general is not None:
            raise ValueError(
                "distill.general is of the teacher before it was fine-tuned, teacher.inverted_bottleneck comes after:"
                " leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _task_fits(self) -> Recipe:
        kind, pair = self.task.kind, self.data.text_pair
        if kind == "token-classification" and pair is not None:
            raise ValueError(f"data.text_pair does not go with {kind}, which labels words of one text: leave it out")
        if self.prune is not None and (kind != "text-classification" or pair is not None):
            given = kind if pair is None else "pairs of texts"
            raise ValueError(f"prune weighs units by what they do for one label of one text, not {given}: leave it out")
        if kind == "token-classification" and self.distill.general is not None:
            raise ValueError(f"distill.general teaches a student of whole texts, not of {kind}: leave it out")
        if self.data.label_separator is not None and kind != "multi-label-classification":
            raise ValueError(f"data.label_separator is between the labels of a text that has many, not for {kind}")
        for part in ("corpus", "general"):
            if pair is not None and getattr(self.distill, part, None):
                raise ValueError(f"distill.{part} is of single texts, but the task is one of pairs: leave it out")
        return self

    @model_validator(mode="after")
    def _zeros_stay(self) -> Recipe:
        if self.quantize.training is not None and self.prune is not None and self.prune.sparsity:
            raise ValueError(
                "quantize.training moves the weights that prune.sparsity set to zero: leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _slimming_fits(self) -> Recipe:
        student = self.student
        if self.prune is not None and self.prune.units == "slimming":
            given: str = student.architecture
            if isinstance(student, Student):
                given += f" with the activation {student.activation}"
            if given != "mobilebert with the activation relu":
                raise ValueError(
                    f"prune.units: slimming cuts the neurons of a mobilebert student with the activation relu, this one"
                    f" is {given}: choose fisher, sensitivity or learned"
                )
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> Recipe:
        longest = max(self.export.sequence_lengths)
        if longest != self.task.max_length and "tflite" in self.export.formats:
            raise ValueError(
                f"the longest of export.sequence_lengths is {longest} but task.max_length is {self.task.max_length}:"
                " make them equal, so that both engines cut a text at the same place"
            )
        return self
