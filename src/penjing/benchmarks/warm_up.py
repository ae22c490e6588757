"""Warm-up that ends when the times have settled, not after a fixed number of calls.

The first calls of an engine pack weights, grow an arena and fill caches; how many calls that takes differs from engine
to engine. As in Barrett, Bolz-Tereick, Killick, Mount and Tratt 2017 (Virtual machine warmup blows hot and cold,
section 4) change-points cut the series into segments of one level each, and what lies before the last cut is warm-up.
The cuts are found by binary segmentation of the logarithms with BIC's penalty, the spread taken from the differences of
neighbours, which a step does not widen. Left out: programs that become slower for good, or never settle: after
`MOST_CALLS` or `MOST_SECONDS` the times are taken as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_STEADY = 10
"""Calls after the last change-point that make a series settled."""
FEWEST_IN_SEGMENT = 3
"""One slow call is an outlier, not a level."""
MOST_CALLS = 200
MOST_SECONDS = 1.0
SMALLEST_STEP = 0.01
"""Two levels nearer than 1% are one."""
MAD_TO_SIGMA = 1.4826


def warm_up(call: Callable[[], object], clock: Callable[[], int] = time.perf_counter_ns) -> tuple[int, bool]:
    """Calls until the times have settled: how many calls that took, and whether they did. `clock` gives nanoseconds."""
    times: list[int] = []
    while len(times) < MOST_CALLS and sum(times) < MOST_SECONDS * 1e9:
        start = clock()
        call()
        times.append(clock() - start)
        if len(times) - last_change(times) >= FEWEST_STEADY:
            return len(times), True
    return len(times), False


def last_change(times: Sequence[float]) -> int:
    """Where the last segment of one level begins; 0 when the whole series has one level. Times in any unit."""
    logs = np.log(np.maximum(np.asarray(times, dtype=np.float64), 1e-12))
    start = 0
    while (cut := _best_cut(logs[start:])) is not None:
        start += cut
    return start


def _best_cut(logs: NDArray[np.float64]) -> int | None:
    """The split into two levels that explains most, None when it explains no more than chance or under 1%."""
    if len(logs) < 2 * FEWEST_IN_SEGMENT:
        return None
    sigma, middle = _sigma(logs), np.median(logs)
    reach = max(10 * sigma, 2 * SMALLEST_STEP)  # farther off an outlier counts no more, but a step still does
    tame = np.clip(logs, middle - reach, middle + reach)
    cuts = np.arange(FEWEST_IN_SEGMENT, len(tame) - FEWEST_IN_SEGMENT + 1)
    sums = np.cumsum(tame)
    left, right = sums[cuts - 1] / cuts, (sums[-1] - sums[cuts - 1]) / (len(tame) - cuts)
    gains = cuts * (len(tame) - cuts) / len(tame) * (left - right) ** 2
    best = int(np.argmax(gains))
    if gains[best] <= 3 * np.log(len(tame)) * sigma**2 or abs(left[best] - right[best]) < SMALLEST_STEP:
        return None
    return int(cuts[best])


def _sigma(logs: NDArray[np.float64]) -> float:
    """The spread of one level: of the differences of neighbours, by the median, so that steps count little."""
    return float(MAD_TO_SIGMA * np.median(np.abs(np.diff(logs))) / np.sqrt(2))
