"""Outliers among the inputs of a product: nothing changes in float, int8 loses less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penjing.compress.models import outliers
from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.folded_bert import FoldedBert
from penjing.compress.models.outliers import EvenedLinear, input_peaks, without_outliers
from penjing.export.quantize import quantize_onnx
from penjing.export.to_onnx import export_onnx
from penjing.runtime.engine import open_engine

SHAPE = BertShape((LayerShape(4, 8, (48,)),) * 2, vocab_size=90, hidden_size=32, embedding_size=32, max_positions=40)
CHANNEL, NEURON = 5, 11


def classifier() -> BertClassifier:
    torch.manual_seed(0)
    model = BertClassifier(SHAPE, 3).eval()
    for name, parameter in model.named_parameters():
        if "LayerNorm" not in name:
            nn.init.normal_(parameter, std=0.2)
    return model


@pytest.fixture
def uneven() -> BertClassifier:
    """In the first layer a channel of the states behind attention and a neuron are thirty times the others."""
    model = classifier()
    first = model.bert.encoder.layers()[0]
    with torch.no_grad():
        first.attention.output.LayerNorm.weight[CHANNEL] = 30.0
        first.intermediate.dense.weight[:, CHANNEL] /= 30
        first.intermediate.dense.bias[NEURON] = 60.0
        first.output.dense.weight[:, NEURON] /= 30
        first.output.LayerNorm.weight.fill_(5.0)  # behind the sum the others are small
        first.output.LayerNorm.weight[CHANNEL] = 0.3
    return model


def texts() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(1, 90, (20, 12))
    return ids, torch.ones_like(ids), torch.zeros_like(ids)


def evened(form: nn.Module) -> list[str]:
    return [name for name, module in form.named_modules() if isinstance(module, EvenedLinear)]


def int8_error(model: BertClassifier, folder: Path) -> float:
    """Of the logits, beside those of `model`."""
    export_onnx(FoldedBert(model), folder / "model.onnx", opset=18)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    names = ("input_ids", "attention_mask", "token_type_ids")
    feed = {name: tensor.numpy() for name, tensor in zip(names, texts(), strict=True)}
    found = open_engine(folder / "model.int8.onnx", "onnx").run(feed)["logits"]
    with torch.no_grad():
        wanted = model(*texts()).numpy()
    return float(np.sqrt(np.square(found - wanted).mean()))


def test_what_is_far_above_the_third_largest_input_is_divided_to_it() -> None:
    layer = nn.Linear(4, 2)
    made = without_outliers(layer, torch.tensor([4.0, 100.0, 3.0, 10.0]))
    assert isinstance(made, EvenedLinear)
    assert torch.allclose(made.shares, torch.tensor([1.0, 0.04, 1.0, 0.4]))
    x = torch.randn(5, 4)
    assert torch.allclose(made(x), layer(x), atol=1e-6)


@pytest.mark.parametrize("peaks", [[4.0, 3.0, 2.1, 1.0], [1.0, 9.0], [0.0, 0.0, 0.0, 0.0]])
def test_even_inputs_stay_as_they_are(peaks: list[float]) -> None:
    layer = nn.Linear(len(peaks), 2)
    assert without_outliers(layer, torch.tensor(peaks)) is layer


def test_the_products_that_read_an_outlier_are_found_and_the_logits_stay(uneven: BertClassifier) -> None:
    form = FoldedBert(uneven).eval()
    assert evened(form) == ["layers.0.up", "layers.0.down.dense"]
    assert evened(FoldedBert(classifier())) == []
    with torch.no_grad():
        assert (form(*texts()) - uneven(*texts())).abs().max() < 1e-4


def test_peaks_are_of_every_layer_and_leave_no_hook_behind(uneven: BertClassifier) -> None:
    peaks = input_peaks(uneven)
    first = uneven.bert.encoder.layers()[0]
    assert int(peaks[first.intermediate.dense].argmax()) == CHANNEL
    assert int(peaks[first.output.dense].argmax()) == NEURON
    assert not any(module._forward_pre_hooks for module in uneven.modules())


def test_int8_loses_less(uneven: BertClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_units = int8_error(uneven, tmp_path)
    monkeypatch.setattr(outliers, "FAR", float("inf"))
    assert with_units < int8_error(uneven, tmp_path) / 2
