"""Instruction counts: what they sum up, what they refuse, and that they survive JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penjing.benchmarks.counts import InstructionCount
from penjing.benchmarks.plain import from_plain, to_plain

COUNT = InstructionCount("a", "model.onnx", 32, 1, (1000, 1001, 999), "dotprod", 0.25, 300, 100, 20, 3)


def test_the_median_and_the_spread_are_of_the_processes() -> None:
    assert COUNT.median == 1000
    assert COUNT.spread == pytest.approx(0.002)
    assert replace(COUNT, instructions=(5,)).spread == 0


@pytest.mark.parametrize("change", [{"instructions": ()}, {"instructions": (0, 5)}, {"inferences": 0}])
def test_counts_that_no_process_gives_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a: counts"):
        replace(COUNT, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [COUNT, replace(COUNT, cycles=812.5, cycle_model="cortex-a72")])
def test_they_go_to_json_and_back(count: InstructionCount) -> None:
    assert from_plain(InstructionCount, to_plain(count)) == count
