"""The child of `memory_use.py`: `python -m penjing.benchmarks.memory_child` goes through one start, stage by stage.

A JSON object on stdin says what to do: {kind, folder, file, engine, precision, threads, takes, questions}. The last
line on stdout is a JSON object with what the kind asks for. It imports no more than a stage needs, and what it does to
look at its own memory is not part of a stage's time. Left out: repetition, statistics.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .memory import memory_now, onnx_arena_mb, tflite_arena_mb

Job = dict[str, Any]


def stages(job: Job) -> Iterator[str]:
    """Goes through a start and gives the name of each stage once it is over."""
    load, ask = import_runtime(job["takes"])
    yield "baseline"
    import_engine(job["engine"])
    yield "engine loaded"
    opened = load(job["folder"], job["engine"], job["precision"], job["threads"])
    yield "model loaded"
    ask(opened, job["questions"][0])
    yield "first inference"
    for question in job["questions"][1:]:
        ask(opened, question)
    yield "peak"


def import_runtime(takes: str) -> tuple[Callable[..., Any], Callable[[Any, Any], Any]]:
    """How to open a bundle and how to ask it, with everything imported but the engine."""
    if takes == "sample":
        from ..runtime import load_detector

        return load_detector, lambda detector, sample: detector.score([sample])
    import tokenizers  # noqa: F401  it is the runtime's, not the model's

    from ..runtime import load

    return load, lambda opened, text: opened.ask(text)


def import_engine(engine: str) -> None:
    """The engine's library and nothing of a model."""
    if engine == "onnx":
        from ..runtime.onnx_engine import import_onnxruntime

        import_onnxruntime()
    else:
        import ai_edge_litert.interpreter  # noqa: F401

        from ..runtime import tflite_engine  # noqa: F401


def follow(job: Job, began: float) -> dict[str, Any]:
    """Milliseconds of every stage (`began` is when the first one started), and after each the memory, if wanted."""
    times, memory = {}, {}
    model = Path(job["folder"], job["file"])
    for name in stages(job):
        times[name] = (time.perf_counter() - began) * 1e3
        if job["kind"] == "memory":
            memory[name] = memory_now(model)
        began = time.perf_counter()
    return {"times": times, "memory": memory}


def arena(job: Job, began: float) -> dict[str, Any]:
    """The engine's arena after all the questions."""
    load, ask = import_runtime(job["takes"])
    opened = load(job["folder"], job["engine"], job["precision"], job["threads"])
    path = Path(opened.bundle.verified(job["file"]))
    if job["engine"] == "onnx":
        feeds = (_feed(opened, job["takes"], question) for question in job["questions"])
        return {"arena_mb": onnx_arena_mb(path, feeds, job["threads"])}
    for question in job["questions"]:
        ask(opened, question)
    return {"arena_mb": tflite_arena_mb(opened.engine._interpreter, path)}


def _feed(opened: Any, takes: str, question: Any) -> dict[str, Any]:
    """What the engine gets of a question."""
    import numpy as np

    from ..runtime.engine import select_inputs

    if takes == "sample":
        return select_inputs(opened.engine.inputs, {spec.name: np.array([question]) for spec in opened.engine.inputs})
    return select_inputs(opened.engine.inputs, opened.tokenizer.encode([question]).inputs)


KINDS = {"memory": follow, "start": follow, "arena": arena}

if __name__ == "__main__":
    now = time.perf_counter()
    task = json.load(sys.stdin)
    said = KINDS[task["kind"]](task, time.perf_counter())
    print(json.dumps({"began": now, **said}), flush=True)
