"""How many instructions an inference of one model file takes on an emulated core, in one call.

Left out: parity, kernels, caches and cycles, which `targets/qemu.py` reports of a bundle's files.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from .core import open_core
from .far_replay import Feed
from .replay import Format, count_sections


def count_file(
    file: Path, format: Format, feeds: Sequence[Feed], core: str, processes: int = 1, inferences: int = 3
) -> list[int]:
    """Instructions of an inference, one number a feed: the median of `processes` fresh processes on one thread.

    A feed maps the model's inputs to arrays [1, length, ...] of int64, int32 or float32. All feeds go through each of
    the processes, whose start takes about two seconds; there every feed runs `inferences` times uncounted and as often
    counted. One is enough for a model of millions of instructions, twenty are for one of some thousands.
    `core` is one of `boards.BOARDS`, such as cortex-a72.

    Raises TargetError for an unknown core, when emulator or userland are missing, or when the file does not run there.
    """
    there = open_core(core)
    counted = [count_sections(there, file, format, feeds, inferences) for _ in range(processes)]
    return [
        round(statistics.median(section.instructions for section in sections) / inferences)
        for sections in zip(*counted, strict=True)
    ]
