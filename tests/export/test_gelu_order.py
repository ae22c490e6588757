"""GELU in the order that ONNX Runtime fuses: one node there, and the same bits without fusing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from penjing.export.gelu_order import order_gelu

X = np.random.default_rng(0).normal(scale=3, size=(64, 48)).astype(np.float32)


def gelu(factor_first: bool, second_reader: bool = False) -> onnx.ModelProto:
    """x * (0.5 * (1 + erf(x / sqrt 2))) as torch's exporter writes it, with either order of each product's inputs."""

    def inputs(first: str, second: str) -> list[str]:
        return [first, second] if factor_first else [second, first]

    nodes = [
        helper.make_node("Div", ["x", "root"], ["divided"]),
        helper.make_node("Erf", ["divided"], ["erf"]),
        helper.make_node("Add", inputs("one", "erf"), ["sum"]),
        helper.make_node("Mul", inputs("half", "sum"), ["factor"]),
        helper.make_node("Mul", inputs("factor", "x"), ["y"]),
    ]
    outputs = ["y"]
    if second_reader:
        nodes.append(helper.make_node("Neg", ["factor"], ["z"]))
        outputs.append("z")
    constants = {"root": np.sqrt(2), "one": 1.0, "half": 0.5}
    graph = helper.make_graph(
        nodes, "gelu", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 48])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 48]) for name in outputs],
        [numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, written: Path | None = None) -> NDArray[np.float32]:
    """y without any fusion, or with all and the fused graph written to a file."""
    options = ort.SessionOptions()
    options.graph_optimization_level = (
        ort.GraphOptimizationLevel.ORT_DISABLE_ALL if written is None else ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    options.optimized_model_filepath = "" if written is None else str(written)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": X})[0]


@pytest.mark.parametrize("factor_first", [True, False])
def test_the_file_gives_the_same_bits_and_runs_as_one_node(factor_first: bool, tmp_path: Path) -> None:
    model = gelu(factor_first)
    before = run(model)
    assert order_gelu(model) == 1
    onnx.checker.check_model(model)
    assert np.array_equal(run(model), before)
    assert np.abs(run(model, tmp_path / "fused.onnx") - before).max() < 1e-5
    assert [node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node] == ["Gelu"]


def test_a_factor_that_something_else_reads_stays() -> None:
    model = gelu(True, second_reader=True)
    before = model.SerializeToString()
    assert order_gelu(model) == 0
    assert model.SerializeToString() == before


def test_once_ordered_nothing_is_found_again() -> None:
    model = gelu(True)
    assert order_gelu(model) == 1
    assert order_gelu(model) == 0
