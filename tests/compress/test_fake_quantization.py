"""Fake quantization against closed forms, against the files that it imitates, and taken off again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_classifiers import WORDS, logits_of, random_batches, tiny_bert, tiny_mobilebert

from penjing.compress.fake_quantization import FEWEST_ROWS, ROW_LEVELS, fake_quantized, round_activations, round_rows
from penjing.compress.models.folded import inference_form
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig, NoNorm
from penjing.compress.prune.fold_norms import in_even_units, without_norms
from penjing.compress.prune.units import Encoder
from penjing.export import quantize_tables
from penjing.export.quantize import quantize_onnx
from penjing.export.signature import TEXT
from penjing.export.to_onnx import export_onnx
from penjing.runtime.engine import open_engine


def normed_mobilebert() -> MobileBertClassifier:
    """Foldable, with norms that do something, folded away as for training."""
    model = tiny_mobilebert()
    for module in model.modules():
        if isinstance(module, NoNorm):
            torch.nn.init.uniform_(module.weight, 0.6, 1.4)
            torch.nn.init.normal_(module.bias, std=0.1)
    return in_even_units(without_norms(model)[0])


def layer_normed_mobilebert() -> MobileBertClassifier:
    """One whose file is exported as it stands."""
    torch.manual_seed(0)
    config = MobileBertConfig.uniform(
        2, heads=4, head_size=4, feed_forwards=2, intermediate_size=24, vocab_size=WORDS, hidden_size=32,
        embedding_size=16, bottleneck_size=16, max_positions=20, norm="layer_norm",
    )  # fmt: skip
    model = MobileBertClassifier(config, 3).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.25)
    return model


MODELS = {"bert": tiny_bert, "folded mobilebert": normed_mobilebert, "layer-normed mobilebert": layer_normed_mobilebert}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Encoder:
    return MODELS[request.param]()


def test_rows_are_rounded_to_parts_of_their_own_largest_value() -> None:
    rows = torch.tensor([[6.4, 0.26, -0.04], [-0.64, 0.026, 0.0], [0.0, 0.0, 0.0]])
    expected = torch.tensor([[6.4, 0.3, 0.0], [-0.64, 0.03, 0.0], [0.0, 0.0, 0.0]])
    assert torch.allclose(round_rows(rows, 64), expected, atol=1e-6)


def test_activations_take_256_values_that_hold_zero_in_a_range_of_each_text() -> None:
    x = torch.tensor([[[-1.0, 0.0], [1.55, 0.004]], [[51.0, 0.0], [25.54, 12.3]]])
    expected = torch.tensor([[[-1.0, 0.0], [1.55, 0.0]], [[51.0, 0.0], [25.6, 12.4]]])
    assert torch.allclose(round_activations(x), expected, atol=1e-5)
    a_token = round_activations(x, a_token=True)
    assert torch.allclose(a_token[0, 1], torch.tensor([1.55, 1.55 / 255]), atol=1e-5)  # a finer step than the text's


def test_gradients_pass_as_if_nothing_were_rounded() -> None:
    x, rows = (torch.randn(2, 3, 4, requires_grad=True) for _ in range(2))
    factors = torch.randn(2, 3, 4)
    ((round_activations(x) + round_rows(rows, 64)) * factors).sum().backward()
    assert x.grad is not None
    assert rows.grad is not None
    assert torch.equal(x.grad, factors)
    assert torch.equal(rows.grad, factors)


def test_tables_are_rounded_as_the_exporter_rounds_them() -> None:
    table = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    table[3] = 0
    rows, scales = quantize_tables.quantize_rows(table)
    assert np.allclose(round_rows(torch.from_numpy(table), ROW_LEVELS).numpy(), rows * scales, atol=1e-6)
    assert (FEWEST_ROWS, ROW_LEVELS) == (quantize_tables.FEWEST_ROWS, quantize_tables.LARGEST_INT8)


def test_a_fake_quantized_student_computes_what_its_int8_file_computes(model: Encoder, tmp_path: Path) -> None:
    """Text by text, as on a device. A value at the edge of two steps may still fall to either side."""
    export_onnx(inference_form(model, 20), tmp_path / "model.onnx", opset=18)
    quantize_onnx(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    engine, batches = open_engine(tmp_path / "model.int8.onnx", "onnx", 1), random_batches(40, size=1)
    inputs = [{name: getattr(batch, name).numpy() for name in TEXT.inputs} for batch in batches]
    file = torch.from_numpy(np.concatenate([engine.run(one)["logits"] for one in inputs]))
    exact = (logits_of(model, batches) - file).abs().mean()
    with fake_quantized(model):
        fake = (logits_of(model, batches) - file).abs().mean()
    assert fake < 0.1 * exact


def test_outside_the_block_the_student_is_as_it_was(model: Encoder) -> None:
    batches, before = random_batches(3), {name: value.clone() for name, value in model.state_dict().items()}
    plain = logits_of(model, batches)
    with fake_quantized(model):
        assert not torch.equal(logits_of(model, batches), plain)
        assert list(model.state_dict()) == list(before)
    assert torch.equal(logits_of(model, batches), plain)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_rounding_is_taken_off_after_an_error_too(model: Encoder) -> None:
    with pytest.raises(IndexError), fake_quantized(model):
        model(torch.full((1, 3), WORDS), torch.ones(1, 3), torch.zeros(1, 3, dtype=torch.int64))
    assert not any("forward" in vars(module) for module in model.modules())


def test_every_weight_that_is_used_gets_a_gradient(model: Encoder) -> None:
    (batch,) = random_batches(1)
    with fake_quantized(model):
        loss = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).square().sum()
    loss.backward()
    silent = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert not {name for name in silent if "LayerNorm" not in name}
