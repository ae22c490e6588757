"""A sustained run: times and ranks of the first minute and of the last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_run

from penjing.benchmarks.endurance import endurance
from penjing.benchmarks.measurement import Condition, Measurement

SUSTAINED = Condition("warm", 32, 1, "sustained")


def lasting(label: str, first: float, last: float, minutes: int = 10) -> Measurement:
    """A round every five seconds whose times go from `first` to `last` after half of the run."""
    rounds = minutes * 12
    times = np.where(np.arange(rounds) < rounds // 2, first, last).repeat(3)
    starts = tuple(1000.0 + 5 * r for r in range(rounds))
    return Measurement(label, label, "m", "onnx", "fp32", SUSTAINED, rounds, tuple(map(float, times)), starts=starts)


def test_a_file_that_slows_more_than_another_loses_its_rank() -> None:
    run = replace(made_run({}), measurements=(lasting("slow", 3.0, 3.3), lasting("hot", 2.0, 4.0)))
    hot, slow = endurance(run)
    assert (hot.subject, hot.first_rank, hot.last_rank) == ("hot", 1, 2)
    assert (slow.subject, slow.first_rank, slow.last_rank) == ("slow", 2, 1)
    assert hot.slowdown == pytest.approx(2.0) and slow.slowdown == pytest.approx(1.1)


def test_a_run_of_one_minute_is_halved() -> None:
    (only,) = endurance(replace(made_run({}), measurements=(lasting("a", 2.0, 3.0, minutes=1),)))
    assert (only.first_ms, only.last_ms) == (2.0, 3.0)


def test_a_burst_says_nothing_of_endurance() -> None:
    assert endurance(made_run({"a": np.full((6, 3), 2.0)})) == ()
