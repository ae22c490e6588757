from __future__ import annotations

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import quantizer, recipe

from penjing.export.int8_products import round_inputs_alike, take_scales_out
from penjing.export.signature import samples_signature
from penjing.export.tflite_edit import edited, read_model
from penjing.export.to_onnx import silenced
from penjing.export.to_tflite import export_tflite

WINDOW, CHANNELS = 4, 16
DENSE = schema.BuiltinOperator.FULLY_CONNECTED


class Scores(torch.nn.Module):
    """Two layers, one with a bias and an activation behind it, one without; outputs differ a hundredfold in size."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = torch.nn.Linear(CHANNELS, 64), torch.nn.Linear(64, 32, bias=False)
        with torch.no_grad():
            self.first.weight *= torch.logspace(-1, 1, 64)[:, None]

    def forward(self, samples):
        return self.second(torch.relu(self.first(samples))).flatten(1).sum(1)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """What the quantizer itself makes of the file."""
    path = tmp_path_factory.mktemp("products") / "model.tflite"
    export_tflite(Scores().eval(), path, sequence_lengths=(WINDOW,), signature=samples_signature(WINDOW, CHANNELS))
    with silenced():
        return bytes(quantizer.Quantizer(str(path), recipe.dynamic_wi8_afp32()).quantize().quantized_model)


def answers(content, kernels=OpResolverType.AUTO):
    """Scores of a hundred windows whose values are far from zero, where a zero point matters."""
    run = Interpreter(model_content=content, experimental_op_resolver_type=kernels).get_signature_runner()
    windows = np.random.default_rng(0).normal(3, 1, (100, 1, WINDOW, CHANNELS)).astype(np.float32)
    return np.array([run(samples=window)["scores"] for window in windows]).ravel()


def by_builtin_kernels(content):
    return answers(content, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def test_xnnpack_answers_the_same_to_the_last_bit(quantized):
    assert np.array_equal(answers(edited(quantized, round_inputs_alike)), answers(quantized))


def test_builtin_kernels_come_nearer_to_xnnpack(quantized):
    ours = answers(quantized)
    before, after = (
        abs(by_builtin_kernels(c) - ours).mean() for c in (quantized, edited(quantized, round_inputs_alike))
    )
    assert 0 < after < before / 2


def test_interpreters_that_know_one_scale_a_matrix_refuse_the_file(quantized):
    codes = read_model(edited(quantized, round_inputs_alike)).operatorCodes
    assert [code.version for code in codes if code.builtinCode == DENSE] == [11]


def test_with_scales_taken_out_builtin_kernels_answer_as_before(quantized):
    asked = edited(quantized, round_inputs_alike)
    taken = edited(asked, take_scales_out)
    assert np.allclose(by_builtin_kernels(taken), by_builtin_kernels(asked), rtol=1e-5)
    (graph,) = read_model(taken).subgraphs
    matrices = [tensor for tensor in graph.tensors if tensor.type == schema.TensorType.INT8]
    assert [list(matrix.quantization.scale) for matrix in matrices] == [[1.0], [1.0]]
    assert [code.version for code in read_model(taken).operatorCodes if code.builtinCode == DENSE] == [9]


def test_nothing_happens_to_a_float_file(quantized, exported_tflite):
    content = (exported_tflite.folder / "model.tflite").read_bytes()
    assert edited(content, round_inputs_alike) == edited(content, take_scales_out) == edited(content)
