"""One copy of what the signatures of a TFLite file have in common, and short names for what nobody asks for by name.

Every signature is a graph of its own. The quantizer repeats the scales and zero points of every row for each of them
and, depending on its version, the weights; here equal bytes are stored once. The converter names every tensor inside a
graph after the classes of all modules around it, in 250 bytes. Left out: equal arrays that are no constants, such as
scales, which are shared when the file is written (`tflite_edit.py`).
"""

from __future__ import annotations

import hashlib
from typing import Any

from .graph_names import tflite_module


def share_buffers(model: Any) -> None:
    """Each distinct constant of `model`, a `ModelT`, is stored once. Shapes, operators, and names of inputs and outputs
    stay as they are."""
    first: dict[bytes, int] = {}
    kept: list[Any] = [model.buffers[0]]  # buffer 0 is the empty one, by the format's rule
    place: dict[int, int] = {0: 0}
    used = _buffers_of_constants(model)
    for index, buffer in enumerate(model.buffers):
        if index == 0:
            continue
        data = None if buffer.data is None else bytes(memoryview(buffer.data))
        digest = hashlib.sha256(data).digest() if data and index in used else None
        if digest is not None and digest in first:
            place[index] = first[digest]
            continue
        place[index] = len(kept)
        if digest is not None:
            first[digest] = len(kept)
        kept.append(buffer)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = place[tensor.buffer]
    for entry in model.metadata or []:
        entry.buffer = place[entry.buffer]
    model.buffers = kept
    _say_less(model)


def _say_less(model: Any) -> None:
    """Results are called after their module, for `block_values.py`, constants after nothing; numbers tell them apart,
    for the quantizer."""
    count = 0
    for graph in model.subgraphs:
        borders = {*map(int, graph.inputs), *map(int, graph.outputs)}
        results = {int(tensor) for operator in graph.operators for tensor in operator.outputs}
        for index, tensor in enumerate(graph.tensors):
            if tensor.quantization is not None and tensor.quantization.scale is None:
                tensor.quantization = None  # an empty one in each
            if index not in borders:
                module = tflite_module(tensor.name.decode()) if index in results else ""
                tensor.name = f"{module};{count}".encode()
            count += 1


def _buffers_of_constants(model: Any) -> set[int]:
    """Buffers that tensors read; a buffer of metadata is never merged with one of theirs."""
    return {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
