"""One measurement: every sample of one subject under one condition, and what was measured.

A frozen value that goes to JSON and back with its raw samples; p50, p90, p99 and the interval are always computed from
them. Left out: how it was measured (`latency.py`, `cold.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from .intervals import Blocks, median_interval, percentile_interval
from .plain import from_plain, to_plain

Kind = Literal["warm", "window", "text", "stream", "cold", "import"]
Mode = Literal["burst", "paced", "sustained"]
MODES: tuple[Mode, ...] = ("burst", "paced", "sustained")
FEWEST_FOR_P99 = 100
"""With fewer samples p99 would be the slowest one by another name."""


@dataclass(frozen=True)
class Condition:
    """What two measurements must share before they may be compared.

    `warm` is the engine alone on `sequence_length` tokens, `window` on a detector's window of that length; `text` is a
    whole `predict` on real texts, `stream` the push of a sample into a detector's stream; `cold` is a process from its
    start to its first answer, `import` the import of the runtime in a fresh process. `mode`: calls back to back, one a
    second as an app asks, or back to back for minutes.
    """

    kind: Kind
    sequence_length: int | None
    threads: int
    mode: Mode = "burst"

    @property
    def words(self) -> str:
        """'128 tokens, 1 thread' and the like."""
        places = {
            "warm": f"{self.sequence_length} tokens", "window": f"a window of {self.sequence_length}",
            "text": "real texts", "stream": "a stream's samples", "cold": "cold start", "import": "import",
        }  # fmt: skip
        if self.kind in ("cold", "import"):
            return places[self.kind]
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        mode = "" if self.mode == "burst" else f", {self.mode}"
        return f"{places[self.kind]}, {threads}{mode}"


@dataclass(frozen=True)
class Measurement:
    """`samples_ms` are all timed calls in the order they were made, `rounds` equal blocks one after the other.

    `peak_rss_mb` (1e6 bytes) is the median over fresh processes. `starts` says when each round began, in seconds since
    1970, and `settled` whether the warm-up came to one level. Each of the `passes` took an equal share of the
    rounds with engines opened anew. Raises ValueError when the samples do not divide into the rounds, one of
    them is not a time, or the rounds go back in time.
    """

    subject: str
    bundle: str
    file: str
    engine: str
    precision: str
    condition: Condition
    rounds: int
    samples_ms: tuple[float, ...]
    peak_rss_mb: float | None = None
    batch: int = 1
    starts: tuple[float, ...] = ()
    settled: bool = True
    passes: int = 1

    def __post_init__(self) -> None:
        if not self.samples_ms or self.rounds < 1 or len(self.samples_ms) % self.rounds:
            raise ValueError(f"{self.subject}: {len(self.samples_ms)} samples in {self.rounds} rounds")
        if not all(math.isfinite(sample) and sample > 0 for sample in self.samples_ms):
            raise ValueError(f"{self.subject}: a sample is not a time above zero")
        if self.starts and len(self.starts) != self.rounds:
            raise ValueError(f"{self.subject}: {len(self.starts)} starts of {self.rounds} rounds")
        if any(later < earlier for earlier, later in zip(self.starts, self.starts[1:], strict=False)):
            raise ValueError(f"{self.subject}: a round began before the one before it: the clock was set back")

    def percentile(self, share: float) -> float:
        """The sample, in ms, below which `share` percent of them lie (linear between two)."""
        return float(np.percentile(self.samples_ms, share))

    @property
    def p50(self) -> float:
        """The median, in ms."""
        return self.percentile(50)

    @property
    def p90(self) -> float:
        """Nine calls of ten are faster, in ms."""
        return self.percentile(90)

    @property
    def p99(self) -> float | None:
        """In ms; None when there are too few samples to speak of one in a hundred."""
        return self.percentile(99) if len(self.samples_ms) >= FEWEST_FOR_P99 else None

    @cached_property
    def p50_interval(self) -> tuple[float, float]:
        """95% interval of the median over the rounds, in ms."""
        return median_interval(self.blocks)

    @cached_property
    def p90_interval(self) -> tuple[float, float]:
        """95% interval of the 90th percentile over the rounds, in ms."""
        return percentile_interval(self.blocks, 90)

    @property
    def blocks(self) -> Blocks:
        """The samples as [rounds, calls of a round]."""
        return np.array(self.samples_ms, dtype=np.float64).reshape(self.rounds, -1)

    @property
    def pass_medians(self) -> Blocks:
        """The median of each pass, in ms."""
        return np.array([np.median(part) for part in np.array_split(self.blocks, self.passes)])

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Measurement:
        """What `to_json` gave."""
        return from_plain(Measurement, raw)


def join_passes(parts: Sequence[Measurement]) -> Measurement:
    """One measurement of those that the passes made of one subject under one condition, in the order of the passes.

    A board without a clock of its own may have gone back in time between two of them: then nothing has a start.
    """
    starts = tuple(start for part in parts for start in part.starts)
    return replace(
        parts[0],
        rounds=sum(part.rounds for part in parts),
        samples_ms=tuple(sample for part in parts for sample in part.samples_ms),
        starts=starts if list(starts) == sorted(starts) else (),
        settled=all(part.settled for part in parts),
        passes=sum(part.passes for part in parts),
    )
