"""Runs with made-up times, for tests of what is said about runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from penjing.benchmarks.intervals import Blocks
from penjing.benchmarks.machine import MachineDescription
from penjing.benchmarks.measurement import Condition, Measurement
from penjing.benchmarks.plan import SubjectFacts
from penjing.benchmarks.results import Run, RunSettings

WARM = Condition("warm", 32, 1)
PACKAGES = {"numpy": "2.0", "onnxruntime": "1.31.1"}


def blocks(median: float = 2.0, seed: int = 0, rounds: int = 20, spread: float = 0.03, calls: int = 10) -> Blocks:
    """Rounds that differ by `spread`, and calls that do as well."""
    random = np.random.default_rng(seed)
    shared = spread * random.standard_normal((rounds, 1))
    times: Blocks = median * np.exp(shared + spread * random.standard_normal((rounds, calls)))
    return times


def timed(label: str, times: Blocks, condition: Condition = WARM) -> Measurement:
    samples = tuple(float(t) for t in times.reshape(-1))
    starts = tuple(1000.0 + r for r in range(len(times)))
    return Measurement(label, label, "model.onnx", "onnx", "fp32", condition, len(times), samples, starts=starts)


def made_run(times: Mapping[str, Blocks], hashes: Mapping[str, str] | None = None, **changes: Any) -> Run:
    """A run of these subjects; a subject's hash is its label where none is given."""
    machine = MachineDescription("a cpu", "x86_64", 2, (), 8000, False, "Linux", "3.11", PACKAGES, None, 0.0, 0.0)
    facts = tuple(
        SubjectFacts(label, label, "model.onnx", "onnx", "fp32", 1000, (hashes or {}).get(label, label))
        for label in times
    )
    measured = tuple(timed(label, t) for label, t in times.items())
    settings = RunSettings((32,), (1,), 20, 10, 4, 5, 1)
    run = Run("local", "2026-01-01T00:00:00+00:00", machine, settings, facts, measured, (), (), (), ())
    return replace(run, **changes)
