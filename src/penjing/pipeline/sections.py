"""The sections of a text recipe: frozen pydantic models with the defaults beside the fields.

Left out: detectors (`detector_sections.py`), reading a file and saying what is wrong with it (`recipe.py`), and whether
the named files exist and hold the named columns, which is checked when the data is read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .prune_sections import Learning, Prune
from .section import Length, Section


class Task(Section):
    """What the model decides. `labels` are the label names in the order of the logits."""

    kind: Literal["text-classification"] = "text-classification"
    labels: tuple[str, ...] = Field(min_length=2)
    max_length: int = Field(default=128, ge=4, description="longest input in tokens; longer texts are cut")

    @model_validator(mode="after")
    def _labels_differ(self) -> Task:
        if len(set(self.labels)) != len(self.labels) or not all(self.labels):
            raise ValueError(f"labels are {list(self.labels)}: give each class one name, all different")
        return self


class Data(Section):
    """Labelled text: two files (TSV, CSV, JSON Lines, Parquet; .gz and .xz too), or a data set of the hub."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None
    hub: str | None = Field(default=None, description="a data set id for `datasets.load_dataset`, instead of files")
    hub_config: str | None = None
    text: str = Field(default="text", description="column that holds the text")
    label: str = Field(default="label", description="column that holds the label: a name, or its number in task.labels")
    limit: int | None = Field(default=None, ge=8, description="use only this many training rows (for a quick try)")

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        if (self.hub is None) == (self.train is None):
            raise ValueError("give either `train` and `validation` files or a `hub` data set")
        if self.train is not None and self.validation is None:
            raise ValueError("`validation` is missing: the proof and the best epoch need held-out text")
        return self


class Teacher(Section):
    """The encoder to learn from: a local folder, a hub id, or `all-MiniLM-L6-v2` from its installed package."""

    model: str = "all-MiniLM-L6-v2"
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps over which the rate rises")
    evaluations_per_epoch: int = Field(default=1, ge=1)


class Student(Section):
    """The student's shape: MobileBERT (arXiv 2004.02984, section 3) of these sizes, or `bert`: the teacher itself, for
    `prune` to cut the student out of; then the sizes are the teacher's."""

    architecture: Literal["mobilebert", "bert"] = "mobilebert"
    layers: int = Field(default=6, ge=1)
    hidden_size: int = Field(default=384, ge=8)
    bottleneck_size: int = Field(default=96, ge=4)
    embedding_size: int = Field(default=96, ge=4)
    heads: int = Field(default=12, ge=1)
    intermediate_size: int = Field(default=384, ge=4)
    feed_forwards: int = Field(default=4, ge=1)
    norm: Literal["no_norm", "layer_norm"] = "no_norm"
    activation: Literal["relu", "gelu"] = "relu"


class Corpus(Section):
    """Unlabelled text for the transfer: one file, how to read it and how much of it to take."""

    file: str
    column: str | None = Field(default=None, description="column of a table; plain text has one sentence a line")
    sentences: bool = Field(default=False, description="split each row into sentences")
    rows: int | None = Field(default=None, ge=1, description="take this many sentences, drawn by the seed")


class Distill(Learning):
    """How a fresh student learns, and the unlabelled text that it and a pruned one learn from beside the task's."""

    corpus: tuple[Corpus, ...] = ()
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
    student: Student = Student()
    distill: Distill = Distill()
    prune: Prune | None = None
    quantize: Quantize = Quantize()
    export: Export = Export()
    limits: Limits = Limits()
    benchmark: Benchmark = Benchmark()

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
            given = "bert" if student.architecture == "bert" else f"mobilebert with the activation {student.activation}"
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
