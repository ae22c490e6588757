"""The section `prune`, and how a student learns, before a cut and after it.

Left out: what the cut model is checked against as a whole, which is the recipe's (`sections.py`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .corpus_section import Corpus
from .section import Section


class Learning(Section):
    """First the transfer (feature maps, attention, logits) on corpus and task text, then the task.

    What a weight is of depends on the method; by default these are MobileBERT's.
    """

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
    statistics: bool = Field(default=False, description="match the means and variances of feature maps, too")
    evaluations_per_epoch: int = Field(default=1, ge=1)


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
    vocabulary_text: Corpus | None = Field(
        default=None, description="text whose word pieces all stay, however rare in training; it is not learnt from"
    )
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
        if self.vocabulary_text is not None and self.vocabulary is None:
            raise ValueError("vocabulary_text says which rows stay: say with vocabulary how many, or leave it out")
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
