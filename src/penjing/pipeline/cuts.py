"""What the report says of pruning, gathered from the plans' folders and the files that came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..benchmarks.measurement import Condition
from ..benchmarks.results import Run
from ..compress.models.checkpoint import load_student
from ..compress.prune.costs import cost_of
from ..compress.prune.plan import PruningPlan, read_plan
from .proof import Made
from .prune import SUMMARY_NAME
from .report import CutRound
from .text_files import read_json

LATENCY_OF = "fp32"
"""The precision whose time is told where the budget named none."""
INT8_FILE = "model.int8.onnx"


def cut_rounds(made: Made, run: Run | None) -> tuple[CutRound, ...]:
    """A value a round; what was got is known of the last one."""
    last = len(made.pruned.plans) - 1
    return tuple(
        _round(folder, _got(folder, made, run) if index == last else {})
        for index, folder in enumerate(made.pruned.plans)
    )


def _round(folder: Path, got: Mapping[str, float]) -> CutRound:
    plan, summary = read_plan(folder), read_json(folder / SUMMARY_NAME)
    before, predicted = (_known(summary[name]) for name in ("before", "predicted"))
    heads = tuple(tuple(factor != 0 for factor in layer) for layer in plan.masks.heads)
    rows = tuple(tuple(row) for row in summary["rows"])
    return CutRound(
        summary["field"],
        summary["asked"],
        before,
        predicted,
        got,
        rows,
        plan.layers,
        heads,
        _neurons(plan),
        _precision(summary),
    )


def _got(folder: Path, made: Made, run: Run | None) -> dict[str, float]:
    """Counted on the student, its int8 file and, at the budget's length on one thread, its median time here."""
    summary = read_json(folder / SUMMARY_NAME)
    length = summary["sequence_length"]
    student = load_student(made.student)
    got = _known(asdict(cost_of(student.config, student.num_labels, length)))
    got.pop("bytes", None)
    file = made.files / INT8_FILE
    if file.exists():
        got["bytes"] = file.stat().st_size
    measured = run and run.find(f"student {_precision(summary)} ONNX", Condition("warm", length, 1))
    return got if not measured else {**got, "latency_ms": measured.p50}


def _neurons(plan: PruningPlan) -> tuple[tuple[int, int], ...]:
    """Of each layer: neurons that stay, and neurons before."""
    kept = (sum(layer) for layer in plan.masks.kept_neurons)
    return tuple((left, sum(map(len, layer))) for left, layer in zip(kept, plan.masks.neurons, strict=True))


def _precision(summary: Mapping[str, Any]) -> str:
    return summary.get("precision") or LATENCY_OF


def _known(costs: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in costs.items() if value is not None}
