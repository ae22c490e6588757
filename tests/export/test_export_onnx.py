from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from penjing.export.quantize import quantize_onnx
from penjing.export.quantize_tables import quantize_rows
from penjing.export.to_onnx import export_onnx
from penjing.export.verify import run_file
from penjing.runtime.engine import open_engine
from penjing.runtime.errors import ExportError


def torch_logits(model, inputs):
    with torch.no_grad():
        output = model(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    return np.asarray(getattr(output, "logits", output))


def places():
    """Paths of this machine, and what a stack trace would hold."""
    return [str(p).encode() for p in (Path.cwd(), Path.home(), sys.prefix, tempfile.gettempdir())] + [b'.py"', b".py:"]


def inputs_of(ids):
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def operators(path):
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.fixture(scope="module")
def bert():
    """A plain transformers classifier: the teacher goes through the same function."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30_522, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=32, num_labels=3, initializer_range=0.2,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


@pytest.fixture(scope="module")
def bert_file(bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("bert") / "model.onnx"
    export_onnx(bert, path, opset=18)
    quantize_onnx(path, path.with_name("model.int8.onnx"))
    return path


@pytest.mark.parametrize("shape", [(1, 2), (1, 24), (3, 5), (5, 17)])
def test_batch_and_sequence_are_free_and_logits_are_those_of_torch(exported, shape):
    ids = np.random.default_rng(0).integers(1, 300, shape)
    found = open_engine(exported.folder / "model.onnx", "onnx").run(inputs_of(ids))["logits"]
    assert np.abs(found - torch_logits(exported.model, inputs_of(ids))).max() <= 1e-4


def test_the_student_as_trained_gives_the_file_s_logits_too(exported, student):
    expected = torch_logits(student, exported.texts.inputs)
    assert np.abs(run_file(exported.folder / "model.onnx", "onnx", exported.texts) - expected).max() <= 1e-4


def test_a_transformers_bert_gives_the_same_logits(exported, bert, bert_file):
    expected = torch_logits(bert, exported.texts.inputs)
    assert np.abs(run_file(bert_file, "onnx", exported.texts) - expected).max() <= 1e-4


def test_inputs_and_output_have_their_names_types_and_free_dimensions(exported):
    graph = onnx.load(exported.folder / "model.onnx").graph
    assert [i.name for i in graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    assert {i.type.tensor_type.elem_type for i in graph.input} == {TensorProto.INT64}
    assert [[d.dim_param for d in i.type.tensor_type.shape.dim] for i in graph.input] == [["batch", "sequence"]] * 3
    assert [o.name for o in graph.output] == ["logits"]


@pytest.mark.parametrize("file", ["model.onnx", "model.int8.onnx"])
def test_padding_does_not_change_logits(exported, file):
    engine = open_engine(exported.folder / file, "onnx")
    short = inputs_of(np.random.default_rng(1).integers(1, 300, (1, 7)))
    padded = {name: np.pad(array, ((0, 0), (0, 9))) for name, array in short.items()}
    difference = np.abs(engine.run(short)["logits"] - engine.run(padded)["logits"]).max()
    # int8 takes its activation scales from padding too.
    assert difference <= (0.1 if "int8" in file else 1e-5)


def test_two_exports_are_the_same_file_and_hold_no_path(exported, tmp_path):
    for name in ("model.onnx", "model.int8.onnx"):
        first = (exported.folder / name).read_bytes()
        if name == "model.onnx":
            export_onnx(exported.model, tmp_path / name, opset=18)
        else:
            quantize_onnx(tmp_path / "model.onnx", tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
        assert not [place for place in places() if place in first]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.int8.onnx", "model.onnx"]


@pytest.mark.parametrize("opset", [18, 20])
def test_the_file_has_the_opset_that_was_asked_for(tmp_path, opset):
    class Counts(torch.nn.Module):
        def forward(self, input_ids, attention_mask, token_type_ids):
            return torch.stack([(input_ids * attention_mask).float().sum(1), token_type_ids.float().sum(1)], dim=1)

    export_onnx(Counts(), tmp_path / "model.onnx", opset=opset)
    assert [(o.domain, o.version) for o in onnx.load(tmp_path / "model.onnx").opset_import] == [("", opset)]
    logits = open_engine(tmp_path / "model.onnx", "onnx").run(inputs_of(np.array([[1, 2, 3], [4, 5, 6]])))["logits"]
    assert logits.tolist() == [[6, 0], [15, 0]]


def test_a_module_that_cannot_be_traced_is_an_export_error(tmp_path):
    class Undecided(torch.nn.Module):
        def forward(self, input_ids, attention_mask, token_type_ids):
            return input_ids.float() if input_ids.sum() > 3 else attention_mask.float()

    with pytest.raises(ExportError, match="torch cannot export Undecided to ONNX"):
        export_onnx(Undecided(), tmp_path / "model.onnx", opset=18)
    assert not list(tmp_path.iterdir())


def test_values_are_named_after_modules_and_weights_are_stored_once(exported):
    graph = onnx.load(exported.folder / "model.onnx").graph
    names = {name for node in graph.node for name in node.output}
    assert {"words/Gather", "layers.0.output/Add", "layers.1/Softmax"} <= names
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert {"words.weight", "layers.1.up.0.weight"} <= weights.keys()
    large = [array for array in weights.values() if array.size >= 1000]
    assert len({array.tobytes() for array in large}) == len(large)
    assert sum(array.size for array in large) <= sum(p.numel() for p in exported.model.parameters())


def test_every_product_with_weights_and_the_word_table_are_int8(exported):
    model = onnx.load(exported.folder / "model.int8.onnx")
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds["words.weight_rows"] == TensorProto.INT8
    assert kinds["positions"] == kinds["types.weight"] == TensorProto.FLOAT
    constants = [node for node in model.graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in kinds]
    linears = sum(isinstance(module, torch.nn.Linear) for module in exported.model.modules())
    assert constants == [] and operators(exported.folder / "model.int8.onnx")["MatMulInteger"] == linears


def test_no_two_products_of_an_int8_file_overflow_16_bits(bert_file):
    """x86 CPUs without VNNI add an activation byte times a weight, twice, in 16 bits, and saturate."""
    target = bert_file.with_name("seven_bits.int8.onnx")
    quantize_onnx(bert_file, target)
    model = onnx.load(target)
    names = {node.input[1] for node in model.graph.node if node.op_type == "MatMulInteger"}
    weights = [numpy_helper.to_array(t).astype(int) for t in model.graph.initializer if t.name in names]
    assert weights
    assert all(2 * 255 * np.abs(weight).max() < 2**15 for weight in weights)


def test_the_int8_file_is_at_most_30_percent_of_the_fp32_file(exported):
    sizes = [(exported.folder / name).stat().st_size for name in ("model.onnx", "model.int8.onnx")]
    assert sizes[1] <= 0.3 * sizes[0]


def test_products_of_one_activation_quantize_it_once(bert_file):
    counted = operators(bert_file.with_name("model.int8.onnx"))
    # 2 layers of query, key, value (one input), output, up, down; pooler and classifier.
    assert (counted["MatMulInteger"], counted["DynamicQuantizeLinear"], counted["Gemm"]) == (14, 10, 0)


def test_rows_of_a_table_have_a_scale_each():
    rows, scales = quantize_rows(np.array([[0.0, -2.54, 1.27], [0.0, 0.0, 0.0], [127.0, 1.0, -64.0]], np.float32))
    assert rows.tolist() == [[0, -127, 64], [0, 0, 0], [127, 1, -64]]
    assert scales.ravel().tolist() == pytest.approx([0.02, 1.0, 1.0]) and rows.dtype == np.int8
