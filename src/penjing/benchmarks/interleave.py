"""The timing loop: several calls side by side in short blocks, in a random order each round.

Each call is warmed up until its times have settled (`warm_up.py`). What slows the machine for a while (another process,
a lower clock) then slows all of them alike. The garbage collector is left on, as it is in the programs that will use a
bundle. Left out: what the calls do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from tqdm import tqdm

from .intervals import Blocks
from .warm_up import warm_up

Call = Callable[[int], object]
Clock = Callable[[], int]
PACE_SECONDS = 1.0
"""Between two calls of a paced run: an app that is asked now and then."""
ROUND_SECONDS = 1.0
"""How long a round of a sustained run keeps the processor busy; its first calls are timed."""


@dataclass(frozen=True)
class Timing:
    """One call's `blocks` [rounds, repeats] in ms, when each round began (seconds since 1970), and its warm-up."""

    blocks: Blocks
    starts: tuple[float, ...]
    warm_up_calls: int
    settled: bool


@dataclass(frozen=True)
class Loop:
    """How long and how often: `rounds` of `repeats`; with `seconds`, as many rounds as fit, the processor kept busy in
    between; `paced`: a second's rest before every call and no untimed one. `watch` is called between rounds."""

    rounds: int
    repeats: int
    seed: int
    title: str
    paced: bool = False
    seconds: float | None = None
    watch: Callable[[], object] = lambda: None
    clock: Clock = time.perf_counter_ns


def interleave(
    calls: Sequence[Call], *, rounds: int, repeats: int, seed: int, title: str, clock: Clock = time.perf_counter_ns
) -> list[Blocks]:
    """Times `call(i)` for i in 0..rounds*repeats-1, block by block; gives [rounds, repeats] milliseconds for each call.

    Round r holds i = r*repeats ... r*repeats+repeats-1 for every call, so sample i of two calls had the same input.
    `clock` gives nanoseconds; `time.thread_time_ns` leaves out what other processes take of a shared core.
    """
    return [timing.blocks for timing in run_loop(calls, Loop(rounds, repeats, seed, title, clock=clock))]


def run_loop(calls: Sequence[Call], loop: Loop) -> list[Timing]:
    """One Timing a call, all of them made as `loop` says."""
    order = random.Random(loop.seed)
    warm = [warm_up(partial(call, 0), loop.clock) for call in calls]
    blocks: list[list[list[float]]] = [[] for _ in calls]
    starts: list[list[float]] = [[] for _ in calls]
    began = time.monotonic()
    with tqdm(total=_length(loop), desc=loop.title, unit=_unit(loop), disable=None, leave=False) as bar:
        while _goes_on(loop, len(blocks[0]), time.monotonic() - began):
            loop.watch()
            r = len(blocks[0])
            for c in order.sample(range(len(calls)), len(calls)):
                starts[c].append(round(time.time(), 3))
                blocks[c].append(_block(calls[c], r * loop.repeats, loop, len(calls)))
            bar.update(min(bar.total, time.monotonic() - began) - bar.n if loop.seconds else 1)
    loop.watch()
    return [
        Timing(np.array(blocks[c]), tuple(starts[c]), warm_up_calls, settled)
        for c, (warm_up_calls, settled) in enumerate(warm)
    ]


def _block(call: Call, first: int, loop: Loop, calls: int) -> list[float]:
    """The times in ms of `repeats` calls, the questions counted from `first`."""
    began = time.monotonic()
    if not loop.paced:
        call(first)  # untimed: the others have pushed this one's weights out of the caches
    times = []
    for k in range(loop.repeats):
        if loop.paced:
            time.sleep(PACE_SECONDS)
        start = loop.clock()
        call(first + k)
        times.append((loop.clock() - start) / 1e6)
    while loop.seconds is not None and time.monotonic() - began < ROUND_SECONDS / calls:
        call(first)  # keeps the processor as warm as a device under load
    return times


def _goes_on(loop: Loop, rounds: int, seconds: float) -> bool:
    return rounds < loop.rounds if loop.seconds is None else rounds == 0 or seconds < loop.seconds


def _length(loop: Loop) -> float:
    return loop.rounds if loop.seconds is None else loop.seconds


def _unit(loop: Loop) -> str:
    return "round" if loop.seconds is None else "s"
