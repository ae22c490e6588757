"""The timing loop: several calls side by side in short blocks, in a random order each round.

Each call is warmed up until its times have settled (`warm_up.py`). What slows the machine for a while (another process,
a lower clock) then slows all of them alike. The garbage collector is left on, as it is in the programs that will use a
bundle. Left out: what the calls do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from tqdm import tqdm

from .intervals import Blocks
from .warm_up import warm_up

Call = Callable[[int], object]
Clock = Callable[[], int]


def interleave(
    calls: Sequence[Call], *, rounds: int, repeats: int, seed: int, title: str, clock: Clock = time.perf_counter_ns
) -> list[Blocks]:
    """Times `call(i)` for i in 0..rounds*repeats-1, block by block; gives [rounds, repeats] milliseconds for each call.

    Round r holds i = r*repeats ... r*repeats+repeats-1 for every call, so sample i of two calls had the same input.
    `clock` gives nanoseconds; `time.thread_time_ns` leaves out what other processes take of a shared core.
    """
    order = random.Random(seed)
    times = [np.empty((rounds, repeats)) for _ in calls]
    for call in calls:
        warm_up(partial(call, 0), clock)
    for r in tqdm(range(rounds), desc=title, unit="round", disable=None, leave=False):
        for c in order.sample(range(len(calls)), len(calls)):
            call = calls[c]
            call(r * repeats)  # untimed: the others have pushed this one's weights out of the caches
            for k in range(repeats):
                start = clock()
                call(r * repeats + k)
                times[c][r, k] = (clock() - start) / 1e6
    return times
