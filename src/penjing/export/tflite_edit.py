"""A TFLite model as objects that can be changed: its tensors, constants and operators.

Left out: writing it (`share_buffers.py`), and every change itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema


def read_model(file: bytes) -> Any:
    """The content of a file as a `ModelT`."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(file, 0))


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
    operator.inputs, operator.outputs = list(inputs), [output]
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
