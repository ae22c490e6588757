"""A TFLite model as objects that can be changed, its tensors, constants and operators, and written again.

Weights that lie behind the flatbuffer come inside, where older readers look for them. Left out: every change itself,
and files beyond 2 GB, for which there is no inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
ALIGNMENT = 16


def edited(file: bytes, *changes: Callable[[Any], None]) -> bytes:
    """The content of a TFLite file after `changes`, in order, each of which is given its `ModelT`."""
    model = read_model(file)
    for change in changes:
        change(model)
    return pack_shared(model, len(file))


def read_model(file: bytes) -> Any:
    """The content of a file as a `ModelT`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file, 0))
    for buffer in model.buffers:
        if buffer.offset and buffer.offset > 1:  # behind the flatbuffer, where the quantizer puts what is large
            buffer.data = np.frombuffer(file, np.uint8, count=buffer.size, offset=buffer.offset)
            buffer.offset = buffer.size = 0
    return model


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


def operator_code(model: Any, code: int, version: int) -> int:
    """Place of the operator among the model's codes, where it is added if need be."""
    for index, known in enumerate(model.operatorCodes):
        if known.builtinCode == code and known.version >= version:
            return index
    new = schema.OperatorCodeT()
    new.builtinCode = new.deprecatedBuiltinCode = code  # both below 127, where the old field ends
    new.version = version
    model.operatorCodes.append(new)
    return len(model.operatorCodes) - 1


def drop_unused_codes(model: Any) -> None:
    """The manifest tells a file's operators by this list."""
    used = sorted({operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators})
    place = {old: new for new, old in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = place[operator.opcodeIndex]


def new_operator(
    model: Any, code: int, inputs: Sequence[int], output: int, kind: int, options: Any, version: int = 1
) -> Any:
    """An operator of one result, which is in no graph yet; `kind` and `options` are its builtin options."""
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, code, version)
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator


def add_tensor(graph: Any, shape: Sequence[int], kind: int, buffer: int = 0) -> int:
    """Number of a new tensor without a name; buffer 0 is that of everything that is computed."""
    tensor = schema.TensorT()
    tensor.name, tensor.buffer, tensor.hasRank = b"", buffer, True
    tensor.shape, tensor.type = np.array(shape, np.int32), kind
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_constant(model: Any, graph: Any, values: Any) -> int:
    """Number of a new tensor that holds `values`, float32."""
    return add_tensor(graph, values.shape, schema.TensorType.FLOAT32, add_buffer(model, values))


def add_buffer(model: Any, values: Any) -> int:
    """Number of a new buffer that holds the bytes of `values`."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1
