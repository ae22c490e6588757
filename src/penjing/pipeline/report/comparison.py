"""Cuts of one model side by side: what `penjing prune compare` finds, as plain frozen values.

Left out: making and measuring them (`compare_cuts.py`), and showing them (`comparison_page.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...benchmarks.compare import NoiseFloor
from ...benchmarks.machine import MachineDescription
from ...benchmarks.measurement import Measurement
from ...benchmarks.plain import from_plain, to_plain
from .model import Share


@dataclass(frozen=True)
class ComparedModel:
    """One model. `accuracy` is the torch model's on the validation text, `accuracy_int8` that of its int8 ONNX file,
    whose `bytes` are told; `macs` are those of one text of the comparison's length.

    `method` and `rate` say how it was cut, None for a model that was not; `recovered`, that it learned again.
    """

    label: str
    method: str | None
    rate: float | None
    recovered: bool
    parameters: int
    non_embedding: int
    macs: int
    bytes: int
    accuracy: Share
    accuracy_int8: Share


@dataclass(frozen=True)
class Times:
    """Every ONNX file of all models, timed on one thread in one interleaved run; `subject` is the model's label.

    `noise_floors` are the A/A pairs of the first model, one a precision.
    """

    machine: MachineDescription
    measurements: tuple[Measurement, ...]
    noise_floors: tuple[NoiseFloor, ...]

    def of(self, label: str, precision: str) -> Measurement:
        """The model's file in this precision."""
        return next(m for m in self.measurements if (m.subject, m.precision) == (label, precision))


@dataclass(frozen=True)
class CutComparison:
    """All models, those that are not cut first: what the others were cut out of, then its teacher if it is another.

    `seed` draws the calibration text and orders the recovery's; `created` is UTC, ISO 8601.
    """

    recipe: str
    created: str
    seed: int
    sequence_length: int
    models: tuple[ComparedModel, ...]
    times: Times

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`, raw samples included."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: dict[str, Any]) -> CutComparison:
        """What `to_json` gave."""
        return from_plain(CutComparison, raw)
