"""Int8 tables as every TFLite interpreter reads them: rows and scales are gathered and multiplied.

The quantizer gives each row of a table a scale of its own inside EMBEDDING_LOOKUP. Interpreters up to TensorFlow 2.16,
the newest with a Java library for Android in Maven Central, take the first scale for all rows and say nothing (seen: 32
of 35 decisions were others). Here the same product is four plain operators: equal to the last bit in LiteRT, right in
the old ones, and smaller by eight bytes a row, the zero points. A table that a loop reads by GATHER_ND the quantizer
leaves in float; it is made int8 here in the same form. Left out: tables in 4 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from .quantize_tables import FEWEST_ROWS, quantize_rows
from .share_buffers import pack_shared

Operator, Options = schema.BuiltinOperator, schema.BuiltinOptions


def spell_out_lookups(file: bytes) -> bytes:
    """The same TFLite model without a lookup in an int8 table and without GATHER_ND in a float one.

    `file` is a file's content, so is what is returned.
    """
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file, 0))
    kinds = {index: code.builtinCode for index, code in enumerate(model.operatorCodes)}
    int8: dict[int, _Rows] = {}
    for graph in model.subgraphs:
        operators: list[Any] = []
        scales: dict[int, int] = {}
        for operator in graph.operators:
            lookup = _lookup(kinds[operator.opcodeIndex], operator)
            if lookup is not None and lookup.table not in scales:
                _make_int8(model, graph.tensors[lookup.table], lookup, int8)
                scales.update(_take_scales(model, graph, lookup.table))
            if lookup is not None and lookup.table in scales:
                operators += _spelled_out(model, graph, lookup, scales[lookup.table])
            else:
                operators.append(operator)
        graph.operators = operators
    _empty_buffers(model, int8)
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


@dataclass(frozen=True)
class _Lookup:
    """Numbers of the tensors of an operator that reads rows, and the plain operator that does."""

    table: int
    ids: int
    output: int
    gather: int


def _lookup(kind: int, operator: Any) -> _Lookup | None:
    """What the operator reads, if it is one that reads rows."""
    if kind == Operator.EMBEDDING_LOOKUP:
        ids, table = operator.inputs
        return _Lookup(table, ids, operator.outputs[0], Operator.GATHER)
    if kind == Operator.GATHER_ND:
        table, ids = operator.inputs
        return _Lookup(table, ids, operator.outputs[0], Operator.GATHER_ND)
    return None


@dataclass(frozen=True)
class _Rows:
    """Where the rows of a table are stored as int8, and their scales [rows]."""

    buffer: int
    scales: NDArray[np.float32]


def _make_int8(model: Any, table: Any, lookup: _Lookup, done: dict[int, _Rows]) -> None:
    """A float table of GATHER_ND as the quantizer leaves that of a lookup; graphs share its bytes before and after."""
    constant = model.buffers[table.buffer].data is not None
    is_float_table = constant and table.type == schema.TensorType.FLOAT32 and table.shape[0] >= FEWEST_ROWS
    if lookup.gather != Operator.GATHER_ND or not is_float_table:
        return
    if table.buffer not in done:
        values = np.frombuffer(model.buffers[table.buffer].data.tobytes(), np.float32).reshape(table.shape)
        rows, scales = quantize_rows(values)
        done[table.buffer] = _Rows(_new_buffer(model, rows), scales[:, 0])
    made = done[table.buffer]
    table.buffer, table.type, table.quantization = made.buffer, schema.TensorType.INT8, schema.QuantizationParametersT()
    table.quantization.scale = made.scales


def _empty_buffers(model: Any, tables: Iterable[int]) -> None:
    """Frees the float bytes of `tables`, unless something still reads them."""
    read = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    for buffer in set(tables) - read:
        model.buffers[buffer].data = None


def _take_scales(model: Any, graph: Any, table_index: int) -> dict[int, int]:
    """The table's number and that of a new tensor [rows, 1] of its scales, which it loses; empty if it is not int8."""
    table = graph.tensors[table_index]
    if table.type != schema.TensorType.INT8 or table.quantization is None or table.quantization.scale is None:
        return {}
    scales = np.asarray(table.quantization.scale, np.float32)[:, None]
    table.quantization = None
    return {table_index: _constant(model, graph, scales)}


def _spelled_out(model: Any, graph: Any, lookup: _Lookup, scales: int) -> list[Any]:
    """The result keeps its tensor, so that its name and its readers stay."""
    size, count = graph.tensors[lookup.table].shape[1], graph.tensors[lookup.ids].shape[0]
    rows = _tensor(graph, (count, size), schema.TensorType.INT8)
    floats = _tensor(graph, (count, size), schema.TensorType.FLOAT32)
    scale = _tensor(graph, (count, 1), schema.TensorType.FLOAT32)
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = schema.TensorType.INT8, schema.TensorType.FLOAT32
    by_number = lookup.gather == Operator.GATHER
    gather = schema.GatherOptionsT() if by_number else schema.GatherNdOptionsT()
    kind = Options.GatherOptions if by_number else Options.GatherNdOptions
    return [
        _operator(model, lookup.gather, [lookup.table, lookup.ids], rows, kind, gather),
        _operator(model, lookup.gather, [scales, lookup.ids], scale, kind, gather),
        _operator(model, Operator.CAST, [rows], floats, Options.CastOptions, cast),
        _operator(model, Operator.MUL, [floats, scale], lookup.output, Options.MulOptions, schema.MulOptionsT()),
    ]


def _tensor(graph: Any, shape: Sequence[int], kind: int, buffer: int = 0) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.buffer, tensor.hasRank = b"", buffer, True
    tensor.shape, tensor.type = np.array(shape, np.int32), kind
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _constant(model: Any, graph: Any, values: Any) -> int:
    return _tensor(graph, values.shape, schema.TensorType.FLOAT32, _new_buffer(model, values))


def _new_buffer(model: Any, values: Any) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


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
