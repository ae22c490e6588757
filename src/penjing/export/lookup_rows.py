"""Int8 tables as every TFLite interpreter reads them: rows and scales are gathered and multiplied.

The quantizer gives each row of a table a scale of its own inside EMBEDDING_LOOKUP. Interpreters up to TensorFlow 2.16,
the newest with a Java library for Android in Maven Central, take the first scale for all rows and say nothing (seen: 32
of 35 decisions were others). Here the same product is four plain operators: equal to the last bit in LiteRT, right in
the old ones, and smaller by eight bytes a row, the zero points. Left out: tables in 4 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .share_buffers import pack_shared

Operator, Options = schema.BuiltinOperator, schema.BuiltinOptions


def spell_out_lookups(file: bytes) -> bytes:
    """The same TFLite model without a lookup in an int8 table; `file` is a file's content, so is what is returned."""
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file, 0))
    codes = {index for index, code in enumerate(model.operatorCodes) if code.builtinCode == Operator.EMBEDDING_LOOKUP}
    for graph in model.subgraphs:
        operators: list[Any] = []
        for operator in graph.operators:
            found = operator.opcodeIndex in codes and _is_int8(graph.tensors[operator.inputs[1]])
            operators += _spelled_out(model, graph, operator) if found else [operator]
        graph.operators = operators
    _drop_unused_codes(model)
    return pack_shared(model, len(file))


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


def _is_int8(table: Any) -> bool:
    return bool(table.type == schema.TensorType.INT8)


def _spelled_out(model: Any, graph: Any, lookup: Any) -> list[Any]:
    """The result keeps its tensor, so that its name and its readers stay."""
    ids, table_index = lookup.inputs
    table, (count,) = graph.tensors[table_index], graph.tensors[ids].shape
    scales = _constant(model, graph, np.asarray(table.quantization.scale, np.float32)[:, None])
    table.quantization = None
    rows = _tensor(graph, (count, table.shape[1]), schema.TensorType.INT8)
    floats = _tensor(graph, (count, table.shape[1]), schema.TensorType.FLOAT32)
    scale = _tensor(graph, (count, 1), schema.TensorType.FLOAT32)
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = schema.TensorType.INT8, schema.TensorType.FLOAT32
    gather, multiply = schema.GatherOptionsT(), schema.MulOptionsT()
    return [
        _operator(model, Operator.GATHER, [table_index, ids], rows, Options.GatherOptions, gather),
        _operator(model, Operator.GATHER, [scales, ids], scale, Options.GatherOptions, gather),
        _operator(model, Operator.CAST, [rows], floats, Options.CastOptions, cast),
        _operator(model, Operator.MUL, [floats, scale], lookup.outputs[0], Options.MulOptions, multiply),
    ]


def _tensor(graph: Any, shape: Sequence[int], kind: int, buffer: int = 0) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.buffer, tensor.hasRank = b"", buffer, True
    tensor.shape, tensor.type = np.array(shape, np.int32), kind
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _constant(model: Any, graph: Any, values: Any) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return _tensor(graph, values.shape, schema.TensorType.FLOAT32, len(model.buffers) - 1)


def _operator(model: Any, code: int, inputs: list[int], output: int, kind: int, options: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, code, 2 if code == Operator.GATHER else 1)
    operator.inputs, operator.outputs = inputs, [output]
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator


def _drop_unused_codes(model: Any) -> None:
    """The manifest tells a file's operators by this list."""
    used = sorted({operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators})
    place = {old: new for new, old in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = place[operator.opcodeIndex]
