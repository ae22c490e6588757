"""Products of float inputs with int8 weights, computed by other interpreters as by ours.

LiteRT takes XNNPACK's kernels, which give each row of inputs a zero point and know a scale an output, whatever the file
says. TFLite's built-in kernels, which run where XNNPACK does not, give a zero point only where the file asks for it,
and know a scale an output since TensorFlow 2.16; before, they take the first for all and say nothing (seen: 11 of 36
decisions were others). Left out: convolutions, which always did both, and products of two results, which stay float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from .tflite_edit import add_constant, add_tensor, new_operator

Operator, Options, Kind = schema.BuiltinOperator, schema.BuiltinOptions, schema.TensorType
WITH_ZERO_POINT, REFUSED_BY_OLD = 9, 11
"""Versions of the operator: the first that may ask for zero points; one that interpreters before 2.15 refuse. For a
scale an output the schema has 12, but 2.16, which computes them, knows none above 11."""


def round_inputs_alike(model: Any) -> None:
    """The products of `model`, a `ModelT`, ask for zero points and are refused by interpreters that get them wrong."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            if _is_product(model, graph, operator):
                operator.builtinOptions.asymmetricQuantizeInputs = True
                _say_version(model, operator, REFUSED_BY_OLD)


def take_scales_out(model: Any) -> None:
    """One scale, 1, for each int8 matrix; behind its products stand their scales, an output each, and their biases.

    Right in interpreters since 2020, but no kernel of XNNPACK's: slower in LiteRT, and rounded a little otherwise.
    """
    for graph in model.subgraphs:
        matrices = {operator.inputs[1] for operator in graph.operators if _is_product(model, graph, operator)}
        scales = {matrix: _take_scales(graph.tensors[matrix]) for matrix in matrices}
        operators: list[Any] = []
        for operator in graph.operators:
            is_product = _is_product(model, graph, operator)
            operators += _spelled_out(model, graph, operator, scales) if is_product else [operator]
        graph.operators = operators


def _is_product(model: Any, graph: Any, operator: Any) -> bool:
    is_dense = model.operatorCodes[operator.opcodeIndex].builtinCode == Operator.FULLY_CONNECTED
    return is_dense and [graph.tensors[i].type for i in operator.inputs[:2]] == [Kind.FLOAT32, Kind.INT8]


def _say_version(model: Any, product: Any, version: int) -> None:
    model.operatorCodes[product.opcodeIndex].version = version


def _take_scales(matrix: Any) -> NDArray[np.float32]:
    """Those of its outputs; what stays is 1."""
    scales = np.asarray(matrix.quantization.scale, np.float32)
    matrix.quantization = schema.QuantizationParametersT()
    matrix.quantization.scale, matrix.quantization.zeroPoint = np.ones(1, np.float32), np.zeros(1, np.int64)
    return scales


def _spelled_out(model: Any, graph: Any, product: Any, scales: dict[int, NDArray[np.float32]]) -> list[Any]:
    """The result keeps its tensor, so that its name and its readers stay."""
    (result,), (values, matrix, *bias) = product.outputs, product.inputs
    activation, product.builtinOptions.fusedActivationFunction = product.builtinOptions.fusedActivationFunction, 0
    product.inputs = [values, matrix, -1]
    _say_version(model, product, WITH_ZERO_POINT)
    scale = add_constant(model, graph, scales[matrix])
    behind = [(Operator.MUL, scale, Options.MulOptions, schema.MulOptionsT())]
    behind += [(Operator.ADD, tensor, Options.AddOptions, schema.AddOptionsT()) for tensor in bias if tensor >= 0]
    steps = [product]
    for code, operand, kind, options in behind:
        steps[-1].outputs = [add_tensor(graph, graph.tensors[result].shape, Kind.FLOAT32)]
        steps.append(new_operator(model, code, [*steps[-1].outputs, operand], result, kind, options))
    steps[-1].builtinOptions.fusedActivationFunction = activation
    return steps
