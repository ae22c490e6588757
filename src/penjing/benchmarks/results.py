"""The result of measuring on one target: one frozen value that goes to JSON and back, raw samples included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .compare import Comparison, NoiseFloor
from .counts import InstructionCount
from .download_size import DownloadSize
from .machine import MachineDescription
from .measurement import Condition, Measurement, Mode
from .memory_use import ColdSplit, MemoryUse
from .op_profile import OpProfile
from .parity import Parity
from .plain import from_plain, to_plain
from .plan import SubjectFacts
from .sensors import SensorReading
from .wrapper import WrapperCost

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class RunSettings:
    """How it was measured: the plan without its texts, which are the user's; `questions_hash` as the plan's,
    `seconds` those of a sustained run."""

    lengths: tuple[int, ...]
    threads: tuple[int, ...]
    rounds: int
    repeats: int
    texts: int
    cold_rounds: int
    seed: int
    mode: Mode = "burst"
    cores: tuple[int, ...] | None = None
    questions_hash: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Run:
    """Everything one interleaved run on one machine found. `started` is UTC, ISO 8601; `sensors` is the log of
    clock and temperature; `partial` says why steps are missing, None when the run is whole."""

    target: str
    started: str
    machine: MachineDescription
    settings: RunSettings
    subjects: tuple[SubjectFacts, ...]
    measurements: tuple[Measurement, ...]
    noise_floors: tuple[NoiseFloor, ...]
    comparisons: tuple[Comparison, ...]
    wrapper: tuple[WrapperCost, ...]
    profiles: tuple[OpProfile, ...]
    memory: tuple[MemoryUse, ...] = ()
    cold_splits: tuple[ColdSplit, ...] = ()
    downloads: tuple[DownloadSize, ...] = ()
    parities: tuple[Parity, ...] = ()
    counts: tuple[InstructionCount, ...] = ()
    sensors: tuple[SensorReading, ...] = ()
    partial: str | None = None
    schema_version: int = SCHEMA_VERSION

    def find(self, subject: str, condition: Condition) -> Measurement | None:
        """The subject's measurement under the condition."""
        found = (m for m in self.measurements if m.subject == subject and m.condition == condition)
        return next(found, None)

    def conditions(self, *kinds: str) -> tuple[Condition, ...]:
        """The conditions of these kinds, in the order they were measured."""
        return tuple(dict.fromkeys(m.condition for m in self.measurements if m.condition.kind in kinds))

    def comparison(self, subject: str, baseline: str, condition: Condition) -> Comparison | None:
        """How `subject` compares with `baseline` under the condition."""
        wanted = (subject, baseline, condition)
        return next((c for c in self.comparisons if (c.subject, c.baseline, c.condition) == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Run:
        """What `to_json` gave."""
        return from_plain(Run, raw)
