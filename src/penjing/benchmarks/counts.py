"""How many instructions an inference takes on a core: a number that no other program on the machine can disturb.

Left out: time. Instructions are not milliseconds, and neither are cycles that a table gave.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from .arm64.blocks import Kernels


@dataclass(frozen=True)
class InstructionCount:
    """One file at one length, everything per inference; `instructions` holds one count of each repeated process.

    `sequence_length` in tokens, or a detector's window. `kernels` are the int8 kernels that were at work, `dot_share`
    their instructions' share of all. Loads, stores and misses are a cache model's, `cycles` llvm-mca's for the core
    `cycle_model`, with all data at hand and never checked against silicon; None where llvm-mca is not installed.
    """

    subject: str
    file: str
    sequence_length: int
    inferences: int
    instructions: tuple[int, ...]
    kernels: Kernels
    dot_share: float
    loads: int
    stores: int
    l1_misses: int
    l2_misses: int
    cycles: float | None = None
    cycle_model: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for counts that no process gives."""
        if not self.instructions or min(self.instructions) < 1 or self.inferences < 1:
            raise ValueError(f"{self.subject}: counts {self.instructions} of {self.inferences} inferences")

    @property
    def median(self) -> float:
        """Instructions of an inference."""
        return statistics.median(self.instructions)

    @property
    def spread(self) -> float:
        """How far apart the processes are, as a share of the median: 0.001 is 0.1%."""
        return (max(self.instructions) - min(self.instructions)) / self.median
