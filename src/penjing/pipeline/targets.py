"""What the published figures are asked to reach, by claim, and why one may miss it.

Left out: measuring (`publish.py`) and experiments that have targets of their own (`experiments/`).
"""

from __future__ import annotations

from typing import Any

from ..benchmarks.processor import describe_processor
from .claims import Interval, against, make_claim

DECISIONS = {"int8.drop": "<= 0.005", "flips": "<= 0.015"}
"""Of every recipe of text."""
TARGETS = {
    "sst2": {
        "teacher.validation": ">= 0.895", "student.validation": ">= 0.888", "student.parameters": "<= 6100000",
        "model.int8.onnx.size": "<= 7", "int8.onnx.share": "<= 0.3", "int8.tflite.share": "<= 0.3",
        "signatures": "<= 1.1", "speed.fp32": ">= 5", "speed.int8": ">= 2.2", "wrapper": "<= 1.1",
        "cold.speed": ">= 8", "cold.memory": ">= 4", "import": "< 150",
    },
    "sst2-cut": {
        "student.validation": ">= 0.9", "student.parameters": "<= 5000000", "model.int8.onnx.size": "<= 5.5",
        "speed.fp32": ">= 5.5", "speed.int8": ">= 2.4", "speed.same": ">= 2.5", "loss": "<= 0.01", "minutes": "<= 30",
    },
    "sst2-cut-3m": {
        "student.validation": ">= 0.893", "student.parameters": "<= 3000000", "speed.same": ">= 4", "loss": "<= 0.025",
        "minutes": "<= 30",
    },
    "sst2-cut-1m5": {
        "student.validation": ">= 0.88", "student.parameters": "<= 1500000", "minutes": "<= 30",
    },
    "atis": {"student.test": ">= 0.95"},
    "snips": {"student.test": ">= 0.93"},
    "trec": {"student.test": ">= 0.95"},
    "mrpc": {"student.test": ">= 0.86"},
    "clinc150": {"student.test.nearest": ">= 0.93", "student.out-of-scope-test": ">= 0.5"},
    "stsb": {
        "share.test": ">= 0.95", "student.parameters": "<= 6100000", "speed.fp32": ">= 4", "neighbours": "<= 0.05",
    },
    "sst2-bilstm": {"student.validation": ">= 0.86", "model.int8.onnx.size": "<= 3", "speed.int8": ">= 10"},
    "sst2-methods": {"best.validation": ">= 0.895"},
    "sst2-bilstm-labels": {"distilled.difference": ">= 0.02"},
    "sst2-post": {"speed.same": ">= 1.5", "loss": "<= 0.01", "minutes": "<= 3"},
}  # fmt: skip
"""By recipe and the claim's name behind the recipe's."""


def stated(identity: str, value: float, unit: str, interval: Interval | None, n: int) -> dict[str, Any]:
    """The claim `<recipe>.<name>` beside its target, if it has one; a missed one says why."""
    recipe, _, name = identity.partition(".")
    asked = TARGETS.get(recipe, {})
    target = ({**DECISIONS, **asked} if asked else {}).get(name)
    claim = make_claim(identity, value, unit, interval, n)
    return claim if target is None else against(claim, target, _why(name))


def _why(name: str) -> str:
    """As far as a machine can tell."""
    if name.startswith("speed.") and name != "speed.same" and not _has_fast_int8():
        return "measured on a CPU without VNNI, where int8 products are hardly faster than fp32 ones"
    return "missed in this run; see the samples in `run`, `proofs` and `curves`"


def _has_fast_int8() -> bool:
    return any("vnni" in flag or flag in ("asimddp", "i8mm") for flag in describe_processor().isa)
