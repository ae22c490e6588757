"""Models that exist only to be timed: random weights, exported as a student is, and where each layer's time goes.

Times are those of the calling thread's processor: one thread is all that runs, and what other processes take of the
core does not count. Left out: other engines than ONNX Runtime, more threads than one, and batches.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..benchmarks.interleave import Call, interleave
from ..benchmarks.op_profile import profile_nodes
from ..compress.models.bert import BertClassifier, BertShape
from ..compress.models.folded import inference_form
from ..compress.models.mobilebert import MobileBertClassifier
from ..compress.prune.units import Shape
from ..export.quantize import quantize_onnx
from ..export.to_onnx import export_onnx
from ..runtime.onnx_engine import OnnxEngine

Precision = Literal["fp32", "int8"]

OPSET = 18
MOST_ROWS = 1_000
"""Of the word table: how many it has decides the size of the file, not the time."""
ROUNDS, REPEATS, PROFILED = 15, 4, 30
LAYER = re.compile(r"\blayers?\.(\d+)(?=[./])")


@dataclass(frozen=True)
class Anatomy:
    """Milliseconds of one file: of each layer, in order, and of all that belongs to none."""

    layers: tuple[float, ...]
    rest: float


def export_random(shape: Shape, num_labels: int, sequence_length: int, path: Path, precision: Precision) -> Path:
    """A model file of this shape at `path`, or beside it if quantized; gives where. Raises ExportError."""
    small: Shape = replace(shape, vocab_size=min(shape.vocab_size, MOST_ROWS))
    kind: Any = BertClassifier if isinstance(small, BertShape) else MobileBertClassifier
    export_onnx(inference_form(kind(small, num_labels), sequence_length), path, opset=OPSET)
    if precision == "fp32":
        return path
    quantized = path.with_name(f"{path.stem}.int8.onnx")
    quantize_onnx(path, quantized)
    return quantized


def time_files(files: Sequence[Path], sequence_length: int, rounds: int = ROUNDS) -> list[float]:
    """Median milliseconds of each file on one text of `sequence_length` tokens, measured side by side."""
    feed = _feed(sequence_length)
    calls = [_call(OnnxEngine(file, threads=1), feed) for file in files]
    title = f"{len(files)} models, {sequence_length} tokens"
    blocks = interleave(calls, rounds=rounds, repeats=REPEATS, seed=1, title=title, clock=time.thread_time_ns)
    return [float(np.median(block)) for block in blocks]


def dissect(file: Path, sequence_length: int, whole_ms: float) -> Anatomy:
    """Where the file's time goes by ONNX Runtime's profiler, scaled so that the parts add up to `whole_ms`."""
    nodes = profile_nodes(file, _feed(sequence_length), 1, PROFILED)
    scale = whole_ms / sum(node.ms for node in nodes)
    layers: dict[int, float] = {}
    rest, place = 0.0, None
    for node in nodes:
        found = LAYER.search(node.name)
        # A node that a fusion made has no module in its name: it belongs where the one before it does.
        place = int(found[1]) if found else None if node.name.rpartition("/")[0] else place
        if place is None:
            rest += scale * node.ms
        else:
            layers[place] = layers.get(place, 0.0) + scale * node.ms
    return Anatomy(tuple(layers[i] for i in sorted(layers)), rest)


def _call(engine: OnnxEngine, feed: dict[str, Any]) -> Call:
    return lambda i: engine.run(feed)


def _feed(sequence_length: int) -> dict[str, Any]:
    """One text without padding; which words it has decides nothing."""
    ids = np.ones((1, sequence_length), np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
