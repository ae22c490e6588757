"""Runs inside the userland: one model file on feeds, for its answers, or between the counting plugin's markers.

`python -m penjing.benchmarks.arm64.far_replay JOB` reads a JSON file: the model's `path` and `format`, `feeds`, an .npz
file of arrays called 'i/name' for feed i, and `answers`, one to write likewise. With `count` in its place, each feed's
inference runs that often, and then as often between the markers of the library `mark`; one costs Python about 2,000
instructions. Left out: counting ONNX files, which the native runner does without Python.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.engine import Engine, open_engine
from ...runtime.errors import PenjingError

Feed = Mapping[str, NDArray[Any]]


def save_arrays(path: Path, rows: Sequence[Feed]) -> None:
    """Writes rows of named arrays."""
    arrays: dict[str, Any] = {f"{i}/{name}": array for i, row in enumerate(rows) for name, array in row.items()}
    np.savez(path, **arrays)


def load_arrays(path: Path) -> list[dict[str, NDArray[Any]]]:
    """What `save_arrays` wrote, in its order."""
    rows: dict[int, dict[str, NDArray[Any]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            i, name = key.split("/", 1)
            rows.setdefault(int(i), {})[name] = arrays[key]
    return [rows[i] for i in sorted(rows)]


def main(job: Mapping[str, Any]) -> None:
    """Does the job, on one thread. Raises EngineError as engines do."""
    engine = open_engine(Path(job["path"]), job["format"], 1)
    feeds = load_arrays(Path(job["feeds"]))
    if "count" not in job:
        save_arrays(Path(job["answers"]), [engine.run(feed) for feed in feeds])
        return
    marks = ctypes.CDLL(job["mark"])
    marks.penjing_end()  # ends nothing: finding a function costs thousands of instructions, once
    for feed in feeds:
        _count(inference(engine, feed), job["count"], marks)


def inference(engine: Engine, feed: Feed) -> Callable[[], object]:
    """One inference on the feed, after a first one. Of LiteRT without copying inputs and outputs, as the native runner.

    LiteRT shows that call to its own classes alone, so a version that has moved it is measured with the copies.
    """
    engine.run(feed)
    runners = getattr(engine, "_runners", {})
    tokens = next(iter(feed.values())).shape[1]
    length = next((length for length in runners if length >= tokens), None)
    runner = runners.get(length)
    graph, index = getattr(runner, "_interpreter_wrapper", None), getattr(runner, "_subgraph_index", None)
    if graph is None or index is None or not hasattr(graph, "Invoke"):
        return lambda: engine.run(feed)
    return lambda: graph.Invoke(index)


def _count(infer: Callable[[], object], count: int, marks: Any) -> None:
    for _ in range(count - 1):
        infer()
    marks.penjing_begin()
    for _ in range(count):
        infer()
    marks.penjing_end()


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    except PenjingError as error:
        sys.exit(str(error))
