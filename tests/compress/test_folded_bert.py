"""BERT's form for devices: the same logits as the model, in torch and in exported files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.folded import inference_form
from penjing.compress.models.folded_bert import FoldedBert
from penjing.export.quantize import quantize_onnx
from penjing.export.to_onnx import export_onnx
from penjing.runtime.engine import open_engine

UNEVEN = (LayerShape(4, 8, (48,)), LayerShape(1, 8, (20,)), LayerShape(3, 6, (8,)))
NARROW = BertShape(UNEVEN, vocab_size=90, hidden_size=32, embedding_size=12, max_positions=40)
FULL = replace(NARROW, embedding_size=32)
SMALL = replace(NARROW, layers=UNEVEN[:2])


def classifier(shape: BertShape) -> BertClassifier:
    """With norms and biases that do something, unlike those of a fresh model."""
    torch.manual_seed(0)
    model = BertClassifier(shape, 3).eval()
    for name, parameter in model.named_parameters():
        if "LayerNorm.weight" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            nn.init.normal_(parameter, std=0.2)
    return model


def ragged() -> tuple[Tensor, Tensor, Tensor]:
    """Three texts of 12, 7 and 3 tokens; the first has two segments."""
    torch.manual_seed(1)
    ids, mask = torch.randint(1, 90, (3, 12)), torch.ones(3, 12, dtype=torch.int64)
    ids[1, 7:], mask[1, 7:], ids[2, 3:], mask[2, 3:] = 0, 0, 0, 0
    types = torch.zeros_like(ids)
    types[0, 6:] = 1
    return ids, mask, types


def run(file: Path, batch: tuple[Tensor, ...]) -> NDArray[Any]:
    names = ("input_ids", "attention_mask", "token_type_ids")
    feed = {name: tensor.numpy() for name, tensor in zip(names, batch, strict=True)}
    return open_engine(file, "onnx").run(feed)["logits"]


@pytest.mark.parametrize("shape", [NARROW, FULL, replace(NARROW, layers=UNEVEN[:1]), replace(FULL, activation="relu")])
def test_logits_equal_those_of_the_model_on_a_ragged_batch(shape: BertShape) -> None:
    model = classifier(shape)
    folded = inference_form(model)
    assert isinstance(folded, FoldedBert)
    with torch.no_grad():
        wanted, found = model(*ragged()), folded(*ragged())
    assert wanted.std() > 0.1
    assert (wanted - found).abs().max() < 1e-5


def test_what_stands_in_the_padding_is_not_read() -> None:
    folded = inference_form(classifier(NARROW))
    ids, mask, types = ragged()
    with torch.no_grad():
        before = folded(ids, mask, types)
        after = folded(ids.masked_fill(mask == 0, 17), mask, types)
    assert (before - after).abs().max() < 1e-5


def test_only_the_positions_that_can_come_are_kept() -> None:
    model = classifier(NARROW)
    folded = inference_form(model, 12)
    assert isinstance(folded, FoldedBert)
    assert folded.positions.shape == (12, 32)
    with torch.no_grad():
        assert (model(*ragged()) - folded(*ragged())).abs().max() < 1e-5


def test_the_model_and_its_form_share_no_weights() -> None:
    model = classifier(NARROW)
    folded = inference_form(model)
    addresses = {parameter.data_ptr() for parameter in model.parameters()}
    assert addresses.isdisjoint(parameter.data_ptr() for parameter in folded.parameters())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folded")
    export_onnx(inference_form(classifier(SMALL), 24), folder / "model.onnx", opset=18)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    return folder


def test_the_onnx_file_gives_the_models_logits(exported: Path) -> None:
    with torch.no_grad():
        wanted = classifier(SMALL)(*ragged()).numpy()
    assert np.abs(run(exported / "model.onnx", ragged()) - wanted).max() < 1e-5


def test_the_int8_file_gives_logits_near_them_and_no_float_matrix(exported: Path) -> None:
    with torch.no_grad():
        wanted = classifier(SMALL)(*ragged()).numpy()
    found = run(exported / "model.int8.onnx", ragged())
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99
    graph = onnx.load(exported / "model.int8.onnx").graph
    matrices = [t for t in graph.initializer if len(t.dims) == 2 and t.data_type == onnx.TensorProto.FLOAT]
    assert {t.name for t in matrices if t.dims[0] > 2 and t.dims[1] > 1} <= {"positions"}


def test_nothing_is_added_to_the_scores(exported: Path) -> None:
    nodes = onnx.load(exported / "model.onnx").graph.node
    scores = [node.input[0] for node in nodes if node.op_type == "Softmax"]
    makers = {output: node.op_type for node in nodes for output in node.output}
    assert [makers[name] for name in scores] == ["MatMul"] * len(SMALL.layers)
