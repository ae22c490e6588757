"""One figure of two runs, and which subjects of the two are a pair. Left out: the figures (`compare_runs.py`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .measurement import Condition
from .plan import SubjectFacts
from .results import Run

Quantity = Literal["latency", "memory", "instructions", "size", "quality"]
Word = Literal["better", "worse", "not different", "cannot say"]
ALLOWED: Mapping[Quantity, float] = {
    "latency": 0.05, "memory": 0.02, "instructions": 0.001, "size": 0.001, "quality": 0.005
}  # fmt: skip
"""Smaller changes are none: a share; of quality a difference, as much as a recipe's `metric_drop`."""
SOFTWARE = ("numpy", "tokenizers", "onnxruntime", "ai-edge-litert")
"""Where one of these changed, a file that did not is no control: its speed may have changed with them."""


@dataclass(frozen=True)
class Row:
    """One figure of one subject in both runs, in `unit`.

    `change` is after / before (of both relative to `control`, where there is one), of quality after - before; `low` and
    `high` are its 95% interval, None where nobody can tell. A change up to `floor` (a ratio, of quality a difference)
    is none. `p` is the chance of such a ratio without a change, after Holm.
    """

    quantity: Quantity
    subject: str
    figure: str
    condition: Condition | None
    before: float
    after: float
    unit: str
    change: float
    low: float | None
    high: float | None
    floor: float
    verdict: Word
    reason: str
    control: str | None = None
    p: float | None = None


@dataclass(frozen=True)
class Pair:
    """One subject of both runs."""

    before: SubjectFacts
    after: SubjectFacts

    @property
    def same_file(self) -> bool:
        """Whether the hashes are known and equal."""
        return bool(self.before.sha256) and self.before.sha256 == self.after.sha256


def pair_subjects(before: Run, after: Run) -> list[Pair]:
    """The subjects of both runs in the order of `before`: by label, or else by the bundle's name and the file."""
    labels = {facts.label: facts for facts in after.subjects}
    known = {facts.label for facts in before.subjects}
    pairs = []
    for facts in before.subjects:
        place = (facts.bundle, facts.file)
        others = [other for other in after.subjects if (other.bundle, other.file) == place and other.label not in known]
        alike = [other for other in before.subjects if (other.bundle, other.file) == place]
        if facts.label in labels:
            pairs.append(Pair(facts, labels[facts.label]))
        elif len(others) == len(alike) == 1:
            pairs.append(Pair(facts, others[0]))
    return pairs


def controls(before: Run, after: Run, pairs: Sequence[Pair]) -> list[Pair]:
    """The unchanged subjects that show what the machine did between the runs; none where other software changed too."""
    packages = [[run.machine.packages.get(name) for name in SOFTWARE] for run in (before, after)]
    if packages[0] != packages[1] or before.machine.cpu != after.machine.cpu or all(pair.same_file for pair in pairs):
        return []
    return [pair for pair in pairs if pair.same_file]


def judge_row(row: Row, doubt: str | None = None) -> Row:
    """The verdict where there is no p."""
    moved = row.change if row.quantity == "quality" else -math.log(row.change)
    floor = row.floor if row.quantity == "quality" else math.log(row.floor)
    limit = f"{row.floor:g}" if row.quantity == "quality" else f"{100 * (row.floor - 1):.3g}%"
    if abs(moved) <= floor + 1e-12:
        reason = "equal" if row.before == row.after else f"within the allowed {limit}"
        return replace(row, verdict="not different", reason=reason)
    if doubt:
        return replace(row, verdict="cannot say", reason=doubt)
    return replace(row, verdict="better" if moved > 0 else "worse", reason=f"more than the allowed {limit}")
