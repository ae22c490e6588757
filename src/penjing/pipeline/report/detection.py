"""What a detector's report says, as plain frozen values. Left out: finding them out (`../detection/judge.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmarks.detection import AlarmRates, Estimate, EventScores
from ...benchmarks.plain import from_plain, to_plain
from ...benchmarks.results import Run
from .model import Share

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class DetectorRow:
    """One file, the torch detector, or a baseline, judged on the test part by its own threshold.

    `false_alarms` are the normal samples above the threshold. With labels: the areas under both curves, `rates` at the
    threshold and, of a series, `events` that the alarms met, and the Numenta score `nab` where the labels are its
    windows. None: not known for such data.
    """

    label: str
    role: str
    threshold: float
    false_alarms: Share
    auc_roc: Estimate | None = None
    auc_pr: Estimate | None = None
    rates: AlarmRates | None = None
    events: EventScores | None = None
    nab: float | None = None


@dataclass(frozen=True)
class FileRow:
    """How close one file comes to the torch detector; see `detection.proof.FileProof`."""

    file: str
    bytes: int
    nodes: int
    n: int
    difference: float
    rank: float
    flips: Share


@dataclass(frozen=True)
class ScoredPart:
    """Scores [n] of the test part, to be drawn, and the threshold.

    Of a series, too: what alarms were raised, and the `values` [n] of the `channel` to show above the scores.
    """

    label: str
    scores: tuple[float, ...]
    threshold: float
    alarms: tuple[bool, ...] = ()
    channel: str = ""
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class DetectionReport:
    """Everything. `regime` says what the training rows were; `rows` are counted by part; `verdict` is the gate's on a
    distilled student; `notes` are what a reader should know before believing a figure.
    `labels` and `times` are those of the test part, if known; `scores` begin with the best file's."""

    recipe: str
    created: str
    detector: str
    regime: str
    rows: Mapping[str, int]
    features: tuple[str, ...]
    window: int
    asked: str
    best: str
    models: tuple[DetectorRow, ...]
    files: tuple[FileRow, ...]
    verdict: str | None = None
    notes: tuple[str, ...] = ()
    scores: tuple[ScoredPart, ...] = ()
    labels: tuple[bool, ...] = ()
    times: tuple[float, ...] = ()
    run: Run | None = None
    failures: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`, raw samples included."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: dict[str, Any]) -> DetectionReport:
        """What `to_json` gave."""
        return from_plain(DetectionReport, raw)
