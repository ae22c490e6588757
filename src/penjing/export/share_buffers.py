"""One copy of what the signatures of a TFLite file have in common, and short names for what nobody asks for by name.

Every signature is a graph of its own. The quantizer repeats the scales and zero points of every row for each of them
and, depending on its version, the weights; here equal bytes are stored once. Weights that lie behind the flatbuffer
come inside, where older readers look for them. The converter names every tensor inside a graph after the
classes of all modules around it, in 250 bytes. Left out: files beyond 2 GB, for which there is no inside.
"""

from __future__ import annotations

import hashlib
from typing import Any

import flatbuffers
import numpy as np

from .graph_names import tflite_module
from .tflite_edit import read_model

FILE_IDENTIFIER = b"TFL3"
ALIGNMENT = 16


def share_buffers(file: bytes) -> bytes:
    """The same model with each distinct constant stored once. Shapes, operators, and names of inputs and outputs stay
    as they are.

    `file` is the content of a TFLite file; so is what is returned.
    """
    model = read_model(file)
    first: dict[bytes, int] = {}
    kept: list[Any] = [model.buffers[0]]  # buffer 0 is the empty one, by the format's rule
    place: dict[int, int] = {0: 0}
    used = _buffers_of_constants(model)
    for index, buffer in enumerate(model.buffers):
        if index == 0:
            continue
        data = _take_data(buffer, file)
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
    return pack_shared(model, len(file))


def pack_shared(model: Any, size: int) -> bytes:
    """The content of a file of `model`, a `ModelT`, with equal arrays once; `size` is about how long it gets."""
    builder = _SharingBuilder(size)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes equal arrays once, each at a multiple of 16 bytes, as the format asks of weights."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.written: dict[tuple[int, bytes], int] = {}

    def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802 - the library's name
        data = np.ascontiguousarray(x).tobytes()
        key = (x.itemsize, data)
        if key not in self.written:
            self.StartVector(x.itemsize, x.size, ALIGNMENT)
            self.head = self.Head() - len(data)
            self.Bytes[self.Head() : self.Head() + len(data)] = data
            self.written[key] = self.EndVector()
        return self.written[key]


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


def _take_data(buffer: Any, file: bytes) -> bytes | None:
    """The buffer's bytes; those that the quantizer put behind the flatbuffer are brought inside."""
    if buffer.offset and buffer.offset > 1:
        buffer.data = np.frombuffer(file, np.uint8, count=buffer.size, offset=buffer.offset)
        buffer.offset = buffer.size = 0
    return None if buffer.data is None else bytes(memoryview(buffer.data))


def _buffers_of_constants(model: Any) -> set[int]:
    """Buffers that tensors read; a buffer of metadata is never merged with one of theirs."""
    return {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
