"""Where an ONNX file's time goes: milliseconds per kind of operator, from ONNX Runtime's own profiler.

The profiler slows small operators, so the shares count, not the sum. Left out: TFLite, whose Python package has no
profiler.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.onnx_engine import import_onnxruntime
from .latency import Contender, Feed, engine_feed
from .plan import Plan

RUNS = 20
KERNEL = "_kernel_time"
"""How the profiler ends the name of a node's own time."""


@dataclass(frozen=True)
class OpTime:
    """One kind of operator: `calls` and `ms` of one inference, and its `share` of all operators' time."""

    op: str
    calls: int
    ms: float
    share: float


@dataclass(frozen=True)
class OpProfile:
    """All operators of one subject at one length, slowest first."""

    subject: str
    sequence_length: int
    threads: int
    ops: tuple[OpTime, ...]


def profile_contender(contender: Contender, length: int, threads: int, plan: Plan) -> OpProfile | None:
    """The profile of an ONNX subject; None for a format that has no profiler."""
    if contender.facts.engine != "onnx":
        return None
    path = contender.predictor.bundle.verified(contender.facts.file)
    ops = profile_onnx(path, engine_feed(contender, length, plan), threads)
    return OpProfile(contender.facts.label, length, threads, ops)


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph that runs, fusions made: its name there, and the lower decile of its time in `ms`."""

    name: str
    ms: float


def profile_onnx(path: Path, feed: Feed, threads: int) -> tuple[OpTime, ...]:
    """Milliseconds per kind of operator, means over RUNS runs."""
    return _by_operator(_events(path, feed, threads, RUNS))


def profile_nodes(path: Path, feed: Feed, threads: int, runs: int = RUNS) -> tuple[NodeTime, ...]:
    """Every node in the order in which they run. A decile, because what interrupts a node is not its time."""
    times: dict[str, list[float]] = {}
    for event in _counted(_events(path, feed, threads, runs)):
        times.setdefault(event["name"].removesuffix(KERNEL), []).append(event["dur"])
    return tuple(NodeTime(name, float(np.percentile(us, 10)) / 1e3) for name, us in times.items())


def _events(path: Path, feed: Feed, threads: int, runs: int) -> list[dict[str, Any]]:
    """What the profiler writes of `runs` runs, after one run that does not count. Leaves no file behind."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(runs + 1):
            session.run(None, dict(feed))
        written = Path(session.end_profiling())
        del session  # Windows cannot remove a folder with an open file
        events: list[dict[str, Any]] = json.loads(written.read_text(encoding="utf-8"))
    return events


def _counted(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes' own times in order, without those of the first run, which also allocates."""
    second = sorted(event["ts"] for event in events if event.get("name") == "model_run")[1]
    nodes = (event for event in events if event.get("cat") == "Node" and event["name"].endswith(KERNEL))
    return sorted((event for event in nodes if event["ts"] >= second), key=lambda event: event["ts"])


def _by_operator(events: list[dict[str, Any]]) -> tuple[OpTime, ...]:
    microseconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for event in _counted(events):
        microseconds[event["args"]["op_name"]] += event["dur"]
        calls[event["args"]["op_name"]] += 1
    total = sum(microseconds.values()) or 1.0
    ops = [OpTime(op, calls[op] // RUNS, us / RUNS / 1e3, us / total) for op, us in microseconds.items()]
    return tuple(sorted(ops, key=lambda op: -op.ms))
