"""Int8 tables as every TFLite interpreter reads them: rows and scales are gathered and multiplied.

The quantizer gives each row of a table a scale of its own inside EMBEDDING_LOOKUP. Interpreters up to TensorFlow 2.16,
the newest with a Java library for Android in Maven Central, take the first scale for all rows and say nothing (seen: 32
of 35 decisions were others). Here the same product is four plain operators: equal to the last bit in LiteRT, right in
the old ones, and smaller by eight bytes a row, the zero points. A table that a loop reads by GATHER_ND the quantizer
leaves in float; it is made int8 here in the same form. Left out: tables in 4 bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from .quantize_tables import FEWEST_ROWS, quantize_rows
from .tflite_edit import add_buffer, add_constant, add_tensor, drop_unused_codes, new_operator

Operator, Options = schema.BuiltinOperator, schema.BuiltinOptions


def spell_out_lookups(model: Any) -> None:
    """Leaves `model`, a `ModelT`, without a lookup in an int8 table and without GATHER_ND in a float one."""
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
    drop_unused_codes(model)


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
        done[table.buffer] = _Rows(add_buffer(model, rows), scales[:, 0])
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
    return {table_index: add_constant(model, graph, scales)}


def _spelled_out(model: Any, graph: Any, lookup: _Lookup, scales: int) -> list[Any]:
    """The result keeps its tensor, so that its name and its readers stay."""
    size, count = graph.tensors[lookup.table].shape[1], graph.tensors[lookup.ids].shape[0]
    rows = add_tensor(graph, (count, size), schema.TensorType.INT8)
    floats = add_tensor(graph, (count, size), schema.TensorType.FLOAT32)
    scale = add_tensor(graph, (count, 1), schema.TensorType.FLOAT32)
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = schema.TensorType.INT8, schema.TensorType.FLOAT32
    by_number = lookup.gather == Operator.GATHER
    gather = schema.GatherOptionsT() if by_number else schema.GatherNdOptionsT()
    kind = Options.GatherOptions if by_number else Options.GatherNdOptions
    version = 2 if by_number else 1
    return [
        new_operator(model, lookup.gather, [lookup.table, lookup.ids], rows, kind, gather, version),
        new_operator(model, lookup.gather, [scales, lookup.ids], scale, kind, gather, version),
        new_operator(model, Operator.CAST, [rows], floats, Options.CastOptions, cast),
        new_operator(model, Operator.MUL, [floats, scale], lookup.output, Options.MulOptions, schema.MulOptionsT()),
    ]
