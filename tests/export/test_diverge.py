from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

from penjing.export.block_values import block_names
from penjing.export.diverge import first_departure, locate_divergence
from penjing.export.graph_names import tflite_module

LENGTHS = (8, 16, 24)


def test_the_first_jump_is_where_values_part():
    assert first_departure((("a", 0.01), ("b", 0.4), ("c", 0.5))).place == "b"


def test_error_that_grows_step_by_step_is_told_where_it_becomes_noticeable():
    assert first_departure((("a", 0.03), ("b", 0.04), ("c", 0.06), ("d", 0.1))).place == "c"


def test_without_noticeable_error_nothing_stands_out():
    found = first_departure((("a", 0.01), ("b", 0.02), ("c", 0.015)))
    assert found.place == "b"
    assert found.sentence == "no block stands out: the largest relative error is 2.00%, at b"


def test_values_that_are_not_numbers_are_a_jump():
    found = first_departure((("a", 0.01), ("b", float("inf")), ("c", float("inf"))))
    assert (found.place, found.trail[1]) == ("b", ("b", float("inf")))


def test_blocks_are_numbered_modules_and_parts_outside_of_them(exported, student):
    assert block_names(exported.model) == ("words", "transformation", "types", "layers.0", "layers.1", "classifier")
    assert block_names(student)[-3:] == ("mobilebert.encoder.layer.0", "mobilebert.encoder.layer.1", "classifier")


def test_a_module_path_is_read_from_a_tflite_name():
    assert tflite_module("a.b._Wrapper/a.Student_model/a.b.Layer_0/torch.nn.Linear_up_proj;2") == "0.up_proj"
    assert tflite_module("a.b._Wrapper/a.Student_model;;a.b._Wrapper/a.Student_model/torch.nn.Linear_head;") == ""
    assert tflite_module("arith.constant4") == ""
    assert [tflite_module(name) for name in ("0.up_proj;12", ";13")] == ["0.up_proj", ""]


@pytest.mark.parametrize("file", ["model.onnx", "model.int8.onnx"])
def test_a_sound_onnx_file_carries_every_block_and_parts_nowhere(exported, file):
    found = locate_divergence(exported.model, exported.folder / file, "onnx", exported.texts)
    assert {"words", "transformation", "layers.0", "layers.1", "logits"} <= {place for place, _ in found.trail}
    assert found.trail[-1][0] == "logits"
    assert max(error for _, error in found.trail) < (0.08 if "int8" in file else 1e-5)


@pytest.mark.parametrize("file", ["model.tflite", "model.int8.tflite"])
def test_a_sound_tflite_file_carries_every_block_and_parts_nowhere(exported_tflite, file):
    made = exported_tflite
    found = locate_divergence(made.model, made.folder / file, "tflite", made.texts, LENGTHS)
    assert {"words", "transformation", "layers.0", "layers.1", "logits"} <= {place for place, _ in found.trail}
    assert max(error for _, error in found.trail) < (0.08 if "int8" in file else 1e-5)


@pytest.mark.parametrize(
    "weight", ["words.weight_scales", "layers.0.output.weight_scale", "layers.1.up.0.weight_scale"]
)
def test_the_block_of_a_damaged_onnx_weight_is_found(exported, tmp_path, weight):
    model = onnx.load(exported.folder / "model.int8.onnx")
    scales = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    scales.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scales) * np.float32(-20), weight))
    onnx.save(model, tmp_path / "model.int8.onnx")
    found = locate_divergence(exported.model, tmp_path / "model.int8.onnx", "onnx", exported.texts)
    assert weight.startswith(f"{found.place}.") and found.relative_error > 0.2
    assert found.sentence.startswith(f"the values part at {found.place}: relative error ")


@pytest.mark.parametrize(("module", "block"), [("0.output", "layers.0"), ("1.output", "layers.1")])
def test_the_block_of_a_damaged_tflite_weight_is_found(exported_tflite, tmp_path, module, block):
    made = exported_tflite
    content = bytearray((made.folder / "model.int8.tflite").read_bytes())
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)  # all signatures share the scales
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        if tflite_module(graph.Tensors(operator.Outputs(0)).Name().decode()) != module:
            continue
        for tensor in map(graph.Tensors, operator.InputsAsNumpy()):
            if tensor.Quantization() is not None and tensor.Quantization().ScaleLength() > 1:
                tensor.Quantization().ScaleAsNumpy()[:] *= 20
    path = tmp_path / "model.int8.tflite"
    path.write_bytes(bytes(content))
    found = locate_divergence(made.model, path, "tflite", made.texts, LENGTHS)
    assert found.place == block and found.relative_error > 0.2
