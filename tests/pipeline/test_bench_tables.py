"""What `penjing bench` prints of a run, with made-up figures."""

from __future__ import annotations

import pytest
from made_runs import blocks, made_run

from penjing.benchmarks.memory_use import STAGES, MemoryStage, MemoryUse
from penjing.pipeline.bench_tables import print_run


def memory(rss: float | None) -> MemoryUse:
    stages = tuple(MemoryStage(name, rss, None, None, None, 61.0) for name in STAGES)
    return MemoryUse("small", 1, stages, None, 3)


@pytest.mark.parametrize(("rss", "rows"), [(40.0, len(STAGES)), (None, 0)])
def test_memory_of_which_a_device_tells_nothing_is_no_empty_table(
    capsys: pytest.CaptureFixture[str], rss: float | None, rows: int
) -> None:
    print_run(made_run({"small": blocks()}, memory=(memory(rss),)))
    printed = capsys.readouterr().out
    assert printed.count("\t40.0\t") == rows
    assert ("private dirty MB" in printed) == (rows > 0)
