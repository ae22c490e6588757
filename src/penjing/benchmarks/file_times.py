"""How long model files take on the machine that runs this: several rounds over all of them, in a random order each.

What slows the machine for a while falls on different files in each round, so that the least of the rounds leaves it
out. Every file is opened anew in each round, so that no layout in memory decides. Times are those of the calling
thread's processor: one thread is all that runs, and what other processes take of the core does not count. Boards run
this too (`far_times.py`). Left out: more threads than one, and batches.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..runtime.engine import Arrays, Engine, open_engine
from .warm_up import warm_up

REPEATS = 10
"""Timed calls of a file at a length in a round, after those that it takes to warm up."""
SHORTEST_SECONDS = 0.02
"""A block of quick calls goes on until it has lasted so long."""


@dataclass(frozen=True)
class TimedFile:
    """A model file with a `name` of its own, and the lengths in tokens at which it is timed."""

    name: str
    path: Path
    engine: str
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class FileTime:
    """The median milliseconds of an inference of the file `name` at this length, in one round."""

    name: str
    length: int
    round: int
    ms: float


Done = Collection[tuple[str, int, int]]
"""Name, length and round of what is timed already."""
TimeSource = Callable[[Sequence[TimedFile], int, Done], Iterator[Sequence[FileTime]]]
"""Times files in so many rounds, but for what is done, as `time_rounds` does."""


def time_rounds(files: Sequence[TimedFile], rounds: int, done: Done = ()) -> Iterator[Sequence[FileTime]]:
    """The times of each file in each round as they come. Raises EngineError when a file cannot be opened or run."""
    for i, file, lengths in open_blocks(files, rounds, done):
        yield _time(file, lengths, i)


def open_blocks(
    files: Sequence[TimedFile], rounds: int, done: Done = ()
) -> Iterator[tuple[int, TimedFile, tuple[int, ...]]]:
    """Round, file, and the lengths that are not done; in the order in which they are to be timed."""
    for i in range(rounds):
        for file in random.Random(i).sample(files, len(files)):
            lengths = tuple(length for length in file.lengths if (file.name, length, i) not in done)
            if lengths:
                yield i, file, lengths


def feed(length: int) -> Arrays:
    """One text without padding; which words it has decides nothing."""
    ids = np.ones((1, length), np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def _time(file: TimedFile, lengths: Sequence[int], round: int) -> list[FileTime]:
    engine = open_engine(file.path, file.engine, 1)
    return [FileTime(file.name, length, round, _median_ms(engine, feed(length))) for length in lengths]


def _median_ms(engine: Engine, arrays: Arrays) -> float:
    """After the warm-up."""
    warm_up(lambda: engine.run(arrays), time.thread_time_ns)
    times: list[int] = []
    while len(times) < REPEATS or sum(times) < SHORTEST_SECONDS * 1e9:
        start = time.thread_time_ns()
        engine.run(arrays)
        times.append(time.thread_time_ns() - start)
    return float(np.median(times)) / 1e6
