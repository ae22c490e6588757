"""Units of the folded residual stream: the function stays, its channels become alike, and int8 gains by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from penjing.compress.models import folded
from penjing.compress.models.folded import FoldedStudent, even_stream
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig, NoNorm
from penjing.compress.models.stream_units import LEAST, OF_THE_END, made_up_texts, stream_units
from penjing.compress.prune.fold_norms import in_even_units, without_norms
from penjing.export.quantize import quantize_onnx
from penjing.export.to_onnx import export_onnx
from penjing.runtime.engine import open_engine

SHAPE = MobileBertConfig.uniform(
    3, heads=4, head_size=8, feed_forwards=2, intermediate_size=48,
    vocab_size=120, hidden_size=64, embedding_size=24, bottleneck_size=32, max_positions=40,
)  # fmt: skip
BATCH = (torch.randint(1, 120, (3, 12), generator=torch.Generator().manual_seed(1)), torch.ones(3, 12).long(),
         torch.zeros(3, 12).long())  # fmt: skip


@pytest.fixture
def uneven() -> MobileBertClassifier:
    """A student whose norms make channels of the stream differ hundredfold once they are folded away."""
    torch.manual_seed(0)
    model = MobileBertClassifier(SHAPE, 5).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    source = torch.Generator().manual_seed(4)
    for module in model.modules():
        if isinstance(module, NoNorm):
            nn.init.ones_(module.weight)
    for layer in model.mobilebert.encoder.layers():
        scale = layer.output.bottleneck.LayerNorm.weight
        scale.data = 10 ** (torch.rand(scale.shape, generator=source) - 1)
    return model


@torch.no_grad()
def test_channels_are_alike_on_the_way_and_the_answers_stay(uneven: MobileBertClassifier) -> None:
    student, texts = FoldedStudent(uneven, only_first=False), made_up_texts(uneven.mobilebert)
    starts: list[torch.Tensor] = []
    hook = student.layers[0].register_forward_pre_hook(lambda _, inputs: starts.append(inputs[0]))
    ends = student.states(*texts)
    hook.remove()
    start, end = (states.square().mean((0, 1)).sqrt() for states in (starts[0], ends))
    assert torch.allclose(end**OF_THE_END * start ** (1 - OF_THE_END), torch.ones(64), atol=1e-3)
    assert torch.allclose(student(*BATCH), uneven(*BATCH), atol=1e-4)


def test_a_channel_that_carries_nothing_has_a_unit_to_divide_by(uneven: MobileBertClassifier) -> None:
    ones, encoder = torch.ones(64), uneven.mobilebert
    with torch.no_grad():
        encoder.encoder.layers()[-1].output.bottleneck.LayerNorm.weight[3] = 0.0
        encoder.encoder.layers()[-1].output.bottleneck.LayerNorm.bias[3] = 0.0
    units = stream_units(encoder, ones, torch.zeros(64))
    assert units[3] == pytest.approx(LEAST * float(units.max())) and (units > 0).all()


def test_int8_loses_a_fraction_of_what_it_lost(
    uneven: MobileBertClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    even = error_of_int8(uneven, tmp_path / "even.onnx")
    monkeypatch.setattr(folded, "stream_units", lambda encoder, scale, shift: torch.ones_like(scale))
    assert 3 * even < error_of_int8(uneven, tmp_path / "as_it_comes.onnx")


def error_of_int8(model: MobileBertClassifier, path: Path) -> float:
    """Root mean square of what int8 changes in the logits of texts of one length."""
    export_onnx(FoldedStudent(model), path, opset=17)
    quantize_onnx(path, path.with_suffix(".int8.onnx"))
    ids = np.random.default_rng(1).integers(1, 120, (40, 12))
    answers = [logits_of(file, ids) for file in (path, path.with_suffix(".int8.onnx"))]
    return float(np.sqrt(np.square(answers[0] - answers[1]).mean()))


def logits_of(file: Path, ids: np.ndarray) -> np.ndarray:
    engine, ones = open_engine(file, "onnx"), np.ones((1, ids.shape[1]), np.int64)
    rows = [{"input_ids": row[None], "attention_mask": ones, "token_type_ids": 0 * ones} for row in ids]
    return np.concatenate([engine.run(row)["logits"] for row in rows])


@torch.no_grad()
def test_a_student_that_trains_for_int8_is_in_the_units_of_its_files(uneven: MobileBertClassifier) -> None:
    plain = without_norms(uneven)[0]
    even = in_even_units(plain)
    assert torch.allclose(even(*BATCH), uneven(*BATCH), atol=1e-4)
    ones = torch.ones(64)
    assert torch.allclose(even_stream(even.mobilebert).scale, ones, atol=1e-3)
    assert not torch.allclose(even_stream(plain.mobilebert).scale, ones, atol=1.0)
