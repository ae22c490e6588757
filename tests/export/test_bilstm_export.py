"""A BiLSTM as ONNX (one LSTM node) and TFLite (a loop), in fp32 and int8, against torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from penjing.compress.models.bilstm import BiLstmClassifier, BiLstmConfig
from penjing.compress.models.bilstm_shipped import ShippedBiLstm
from penjing.export.model_facts import read_model_facts
from penjing.export.quantize import quantize_onnx, quantize_tflite
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.export.verify import compare_logits, run_file
from penjing.runtime.engine import open_engine
from penjing.runtime.tokenizer import Encoded

WORDS, SIZE, HIDDEN, LENGTHS = 400, 24, 20, (8, 16)


@dataclass(frozen=True)
class Made:
    """The torch student, its files, and what it says of texts."""

    model: BiLstmClassifier
    folder: Path
    texts: Encoded
    logits: np.ndarray


def torch_logits(model, texts):
    with torch.no_grad():
        return model(**{name: torch.from_numpy(array) for name, array in texts.inputs.items()}).numpy()


FILES = ("model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite")


def make_texts(count, siamese, shortest=1):
    source = np.random.default_rng(2)
    tokens = source.integers(shortest + siamese, LENGTHS[-1] + 1, count)
    tokens[:2] = shortest + siamese, LENGTHS[-1]
    places = np.arange(LENGTHS[-1])
    mask = (places < tokens[:, None]).astype(np.int64)
    ids = source.integers(3, WORDS, mask.shape) * mask
    types = (places >= source.integers(1, tokens)[:, None]).astype(np.int64) * mask if siamese else np.zeros_like(ids)
    return Encoded(ids, mask, types, (False,) * count)


@pytest.fixture(scope="module", params=[False, True], ids=["single", "siamese"])
def made(request, tmp_path_factory):
    """All four files of a student with random weights, and texts that each signature and length stands in."""
    torch.manual_seed(4)
    config = BiLstmConfig(WORDS, SIZE, hidden_size=HIDDEN, classifier_size=30, siamese=request.param)
    model = BiLstmClassifier(config, 2).eval()
    with torch.no_grad():
        for table in model.tables():
            table.weight.normal_(0, 0.6)
        model.classifier.weight.mul_(6)
    texts = make_texts(40, request.param)
    with torch.no_grad():
        model.classifier.bias.sub_(torch.from_numpy(torch_logits(model, texts)).median(0).values)
    folder, shipped = tmp_path_factory.mktemp("bilstm"), ShippedBiLstm(model).eval()
    export_onnx(shipped, folder / "model.onnx", opset=18)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    export_tflite(shipped, folder / "model.tflite", sequence_lengths=LENGTHS)
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    return Made(model, folder, texts, torch_logits(model, texts))


@pytest.mark.parametrize("file", FILES)
def test_every_text_gets_the_logits_of_torch(made, file):
    """Texts of 1 to 16 words, alone as on a device: in TFLite each with padding up to its signature."""
    logits = run_file(made.folder / file, file.rpartition(".")[2], made.texts)
    proof = compare_logits(logits, made.logits, made.logits.argmax(1), file=file, split="validation")
    if "int8" in file:
        assert 0 < proof.logit_difference < 0.1 * np.abs(made.logits).max() and proof.value >= 0.9
    else:
        assert proof.logit_difference <= 1e-4 and proof.flips == 0


def test_a_padded_batch_gets_what_each_text_gets_alone(made):
    logits = run_file(made.folder / "model.onnx", "onnx", made.texts, batch_size=8)
    assert np.abs(logits - made.logits).max() <= 1e-4


def test_a_text_that_follows_another_does_not_remember_it(made):
    """TFLite's own sequence LSTM keeps its state between two calls."""
    for file in ("model.tflite", "model.onnx"):
        engine = open_engine(made.folder / file, file.rpartition(".")[2])
        row = {name: array[:1, :2] for name, array in made.texts.inputs.items()}
        first = engine.run(row)["logits"]
        engine.run({name: array[1:2] for name, array in made.texts.inputs.items()})
        assert np.array_equal(engine.run(row)["logits"], first)


def test_onnx_has_one_lstm_and_tflite_one_loop_a_sentence(made):
    kinds = [node.op_type for node in onnx.load(made.folder / "model.onnx").graph.node]
    assert kinds.count("LSTM") == 1 and "Loop" not in kinds
    quantized = [node.op_type for node in onnx.load(made.folder / "model.int8.onnx").graph.node]
    assert quantized.count("DynamicQuantizeLSTM") == 1 and "LSTM" not in quantized
    assert "WHILE" in read_model_facts(made.folder / "model.tflite").ops


def weights_by_type(path):
    """Bytes of all weights of a TFLite or ONNX file, by type."""
    sizes: dict[str, int] = {}
    if path.suffix == ".onnx":
        for tensor in onnx.load(path).graph.initializer:
            array = onnx.numpy_helper.to_array(tensor)
            sizes[str(array.dtype)] = sizes.get(str(array.dtype), 0) + array.nbytes
        return sizes
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    types = {code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    seen = {(t.buffer, types[t.type]) for graph in model.subgraphs for t in graph.tensors}
    for buffer, kind in seen:
        data = model.buffers[buffer].data
        if data is not None and len(data):
            sizes[kind] = sizes.get(kind, 0) + len(data)
    return sizes


@pytest.mark.parametrize("file", ["model.int8.onnx", "model.int8.tflite"])
def test_table_and_lstm_weights_are_int8(made, file):
    sizes = weights_by_type(made.folder / file)
    table, lstm = WORDS * 2 * SIZE, 2 * 4 * HIDDEN * (2 * SIZE + HIDDEN)
    assert sizes["int8"] >= table + lstm
    assert sizes["float32"] < 4 * (WORDS + 3000)  # a scale a row, biases and scales


def test_weights_are_stored_once_for_all_signatures(made, tmp_path):
    sizes = weights_by_type(made.folder / "model.tflite")
    assert sizes["float32"] < 1.1 * 4 * sum(p.numel() for p in made.model.parameters())


def test_two_exports_are_the_same_file(made, tmp_path):
    shipped = ShippedBiLstm(made.model).eval()
    export_onnx(shipped, tmp_path / "model.onnx", opset=18)
    export_tflite(shipped, tmp_path / "model.tflite", sequence_lengths=LENGTHS)
    for file in ("model.onnx", "model.tflite"):
        assert (tmp_path / file).read_bytes() == (made.folder / file).read_bytes()
