"""The sections of a recipe: frozen pydantic models with the defaults beside the fields.

Left out: reading a file and saying what is wrong with it (`recipe.py`), and whether the named files exist and hold the
named columns, which is checked when the data is read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Length = Annotated[int, Field(ge=2, description="in tokens; the first and the last token are the model's own")]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


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


class Learning(Section):
    """First the transfer (feature maps, attention, logits) on corpus and task text, then the task."""

    transfer_epochs: int = Field(default=1, ge=0)
    transfer_learning_rate: float = Field(default=1e-3, gt=0)
    epochs: int = Field(default=3, ge=0)
    learning_rate: float = Field(default=5e-4, gt=0)
    batch_size: int = Field(default=32, ge=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    temperature: float = Field(default=1.0, gt=0)
    logits_weight: float = Field(default=1.0, ge=0)
    label_weight: float = Field(default=0.0, ge=0, description="weight of the gold labels' cross-entropy")
    feature_weight: float = Field(default=1.0, ge=0)
    attention_weight: float = Field(default=1.0, ge=0)
    evaluations_per_epoch: int = Field(default=1, ge=1)


class Distill(Learning):
    """How a fresh student learns, and the unlabelled text that it and a pruned one learn from beside the task's."""

    corpus: tuple[Corpus, ...] = ()
    seed: int = Field(default=1, ge=0, description="the student's own seed, so that seeds can share one teacher")


class Widths(Section):
    """Sizes that stay of the dimensions that all layers share."""

    hidden: int | None = Field(default=None, ge=4)
    bottleneck: int | None = Field(default=None, ge=4, description="MobileBERT only")
    embedding: int | None = Field(default=None, ge=2)

    @property
    def sizes(self) -> dict[str, int]:
        """Those that are given."""
        return {name: size for name, size in self.model_dump().items() if size is not None}


class Budget(Section):
    """What the pruned model may cost at most: one of these. MACs and milliseconds are those of one text of
    `task.max_length` tokens; bytes are those of the int8 ONNX file. Milliseconds are the median in ONNX Runtime on one
    thread of this machine, foretold by a table that is measured here first."""

    parameters: float | None = Field(default=None, gt=0)
    bytes: float | None = Field(default=None, gt=0)
    macs: float | None = Field(default=None, gt=0)
    latency_ms: float | None = Field(default=None, gt=0)
    precision: Literal["fp32", "int8"] | None = Field(
        default=None, description="of the file that latency_ms is about; if not given: int8 if it is made, else fp32"
    )

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if len(self.chosen) != 1:
            raise ValueError("give one of parameters, bytes, macs, latency_ms")
        if self.precision is not None and self.latency_ms is None:
            raise ValueError("precision is that of latency_ms, which is not given: leave it out")
        return self

    @property
    def chosen(self) -> dict[str, float]:
        """The one that is given."""
        return {name: value for name, value in self.model_dump(exclude={"precision"}).items() if value is not None}


class Prune(Section):
    """Cuts the student, in this order: widths, layers, heads and neurons to the budget, vocabulary, single weights."""

    widths: Widths = Widths()
    layers: int | None = Field(default=None, ge=1, description="how many layers stay, those whose loss hurts least")
    units: Literal["fisher", "sensitivity", "learned", "slimming"] | None = Field(
        default="fisher", description="how heads and neurons are ranked; budget or rate says how many go"
    )
    penalty: float | None = Field(
        default=None, gt=0, description="slimming's L1 on the scale of each neuron; 1e-4 if not given"
    )
    rate: float | None = Field(default=None, ge=0, lt=1, description="share of the MACs to cut, instead of a budget")
    multiple: int = Field(default=8, ge=1, description="neurons of a feed-forward stay in multiples of this")
    vocabulary: int | None = Field(default=None, ge=1, description="how many rows of the embedding table stay")
    budget: Budget | None = None
    sparsity: float | None = Field(
        default=None, ge=0, lt=1, description="share of the weights of the encoder's matrices that become zero"
    )
    rounds: int = Field(default=1, ge=1, description="cut and recover so many times, on the way to the budget")
    sentences: int = Field(default=2048, ge=8, description="texts that the importances are measured on")
    recovery: Learning | None = Field(default=None, description="how the cut model learns again; else not at all")

    @model_validator(mode="after")
    def _one_goal(self) -> Prune:
        if self.units is not None and (self.budget is None) == (self.rate is None):
            raise ValueError(
                "give a budget or a rate, so that it is known how many heads and neurons go; or set units: null"
            )
        if self.units is None and self.budget is not None:
            raise ValueError("a budget is met by cutting heads and neurons: set units, or leave the budget out")
        trains = self.units in ("learned", "slimming")
        if trains and (self.recovery is None or self.recovery.transfer_epochs == 0):
            raise ValueError(f"units: {self.units} trains with the recovery's settings: give it transfer_epochs")
        if self.penalty is not None and self.units != "slimming":
            raise ValueError(f"penalty is slimming's: set units: slimming (it is {self.units}), or leave it out")
        if self.rounds > 1 and (self.recovery is None or (self.units is None and not self.sparsity)):
            raise ValueError(f"{self.rounds} rounds need units or a sparsity, and a recovery between them")
        return self

    @property
    def cuts(self) -> bool:
        """Whether anything is cut out, so that the model gets smaller; single weights only become zero."""
        return bool(self.units or self.widths.sizes or self.layers or self.vocabulary)


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
