"""What a report says, as plain frozen values. The stages fill it in; the other files here only put it into words.

Left out: anything that has to be measured. Latency, memory and machine are in `run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmarks.plain import from_plain, to_plain
from ...benchmarks.results import Run
from ...compress.prune.sparse_bytes import CodedSize

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Share:
    """`count` of `n`, with the 95% interval `low`..`high` of the share."""

    count: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself, 0..1."""
        return self.count / self.n


@dataclass(frozen=True)
class ModelRow:
    """One model file. `label` is the subject's label in `run`, by which its latencies are found.

    `non_embedding_parameters` are the total less all embedding tables. `value` is the metric on `split` (n examples)
    with its 95% interval; `flips` are the decisions that differ from the torch model that the file was exported from;
    `logit_difference` the largest absolute difference of any logit from that model's.
    """

    label: str
    role: str
    file: str
    format: str
    precision: str
    bytes: int
    metric: str
    split: str
    n: int
    value: float
    low: float
    high: float
    total_parameters: int | None = None
    non_embedding_parameters: int | None = None
    flips: Share | None = None
    logit_difference: float | None = None


@dataclass(frozen=True)
class DataSummary:
    """Rows of each split; `duplicates` are validation texts that stand in training too, with some of them quoted."""

    rows: Mapping[str, int]
    duplicates: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """After `step` steps: the mean loss since the last point, and the validation metric."""

    step: int
    loss: float
    metric: float


@dataclass(frozen=True)
class Curve:
    """One training phase."""

    label: str
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class CutRound:
    """One round of pruning: the budget that was `asked` of cost `field`, every cost before, predicted and got.

    `rows` are the plan's table. `layers` are the numbers of the layers that stay; `heads[layer]` says of each head
    whether it stays, `neurons[layer]` how many neurons of how many. `precision` is that of the ONNX file whose
    milliseconds are told.
    """

    field: str
    asked: float
    before: Mapping[str, float]
    predicted: Mapping[str, float]
    got: Mapping[str, float]
    rows: tuple[tuple[str, ...], ...]
    layers: tuple[int, ...]
    heads: tuple[tuple[bool, ...], ...]
    neurons: tuple[tuple[int, int], ...]
    precision: str = "fp32"


@dataclass(frozen=True)
class Claim:
    """A figure that may be published. `command` makes it again; a missed target says `why`."""

    id: str
    value: float
    unit: str
    interval: tuple[float, float] | None
    n: int | None
    target: str
    met: bool
    command: str
    why: str = ""


@dataclass(frozen=True)
class Report:
    """Everything. `student` and `teacher` are the labels of the two rows of `models` that the headline compares.

    `agreement` counts the texts on which that student file decides like the teacher. `failures` are the sentences of
    the limits that were broken; `seeds` are those of the training runs behind the models; `coded` are the sizes of a
    sparse student in each precision; `before` are the student's int8 files before it was trained for int8, none if it
    was not; `created` is UTC, ISO 8601.
    """

    recipe: str
    created: str
    student: str
    teacher: str | None
    models: tuple[ModelRow, ...]
    seeds: tuple[int, ...] = ()
    agreement: Share | None = None
    data: DataSummary | None = None
    curves: tuple[Curve, ...] = ()
    cuts: tuple[CutRound, ...] = ()
    coded: tuple[CodedSize, ...] = ()
    run: Run | None = None
    claims: tuple[Claim, ...] = ()
    failures: tuple[str, ...] = ()
    before: tuple[ModelRow, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def model(self, label: str | None) -> ModelRow | None:
        """The row with this label."""
        return next((row for row in self.models if row.label == label), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`, raw samples included."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Report:
        """What `to_json` gave."""
        return from_plain(Report, raw)
