"""Two towers in ONNX and TFLite: the logits of torch, weights once, and no word of one text in the other's vector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from penjing.compress.models.folded import inference_form
from penjing.compress.models.mobilebert import MobileBertConfig
from penjing.compress.models.two_towers import TwoTowerClassifier
from penjing.export.diverge import locate_divergence
from penjing.export.model_facts import read_model_facts
from penjing.export.quantize import quantize_onnx, quantize_tflite
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.export.verify import compare_logits, run_file
from penjing.runtime.tokenizer import Encoded

WORDS, LENGTHS = 300, (8, 16)
FILES = ("model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite")


@dataclass(frozen=True)
class Made:
    """The torch student, its files, pairs, and what torch says of them."""

    model: TwoTowerClassifier
    folder: Path
    texts: Encoded
    logits: np.ndarray


def make_pairs(count: int) -> Encoded:
    """Rows of 5 to 16 tokens; [CLS] 2 and [SEP] 3 stand where they do."""
    source = np.random.default_rng(2)
    tokens = source.integers(5, LENGTHS[-1] + 1, count)
    tokens[:2] = 5, LENGTHS[-1]
    ids, types = np.zeros((2, count, LENGTHS[-1]), np.int64)
    for row, length in enumerate(tokens):
        second = source.integers(3, length - 1)  # where the second text begins
        ids[row, :length] = source.integers(4, WORDS, length)
        ids[row, [0, second - 1, length - 1]] = 2, 3, 3
        types[row, second:length] = 1
    mask = (np.arange(LENGTHS[-1]) < tokens[:, None]).astype(np.int64)
    return Encoded(ids, mask, types, (False,) * count)


def torch_logits(model: torch.nn.Module, texts: Encoded) -> np.ndarray:
    with torch.no_grad():
        found: torch.Tensor = model(**{name: torch.from_numpy(array) for name, array in texts.inputs.items()})
    return found.numpy()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All four files of a student whose every weight matters."""
    torch.manual_seed(4)
    config = MobileBertConfig.uniform(
        2, heads=2, head_size=16, feed_forwards=2, intermediate_size=48, hidden_size=64, embedding_size=32,
        bottleneck_size=32, vocab_size=WORDS, max_positions=LENGTHS[-1],
    )  # fmt: skip
    model = TwoTowerClassifier(config, 2).eval()
    texts = make_pairs(40)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.uniform_(0.7, 1.3) if "LayerNorm.weight" in name else weight.normal_(0, 0.12)
        model.mobilebert.embeddings.word_embeddings.weight[0].zero_()
        model.classifier.bias.sub_(torch.from_numpy(torch_logits(model, texts)).median(0).values)
    folder, shipped = tmp_path_factory.mktemp("towers"), inference_form(model, LENGTHS[-1])
    export_onnx(shipped, folder / "model.onnx", opset=18)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    export_tflite(shipped, folder / "model.tflite", sequence_lengths=LENGTHS)
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    return Made(model, folder, texts, torch_logits(model, texts))


@pytest.mark.parametrize("file", FILES)
def test_every_pair_gets_the_logits_of_torch(made: Made, file: str) -> None:
    """Alone as on a device: in TFLite each with padding up to its signature."""
    logits = run_file(made.folder / file, file.rpartition(".")[2], made.texts)
    proof = compare_logits(logits, made.logits, made.logits.argmax(1), file=file, split="validation")
    if "int8" in file:
        assert 0 < proof.logit_difference < 0.15 * np.abs(made.logits).max() and proof.value >= 0.9
    else:
        assert proof.logit_difference <= 1e-4 and proof.flips == 0


def test_a_padded_batch_gets_what_each_pair_gets_alone(made: Made) -> None:
    logits = run_file(made.folder / "model.onnx", "onnx", made.texts, batch_size=8)
    assert np.abs(logits - made.logits).max() <= 1e-4


def test_both_texts_share_the_weights(made: Made) -> None:
    parameters = sum(parameter.numel() for parameter in made.model.parameters())
    for file in ("model.onnx", "model.tflite"):
        assert (made.folder / file).stat().st_size < 1.5 * 4 * parameters
        assert (made.folder / file.replace(".", ".int8.", 1)).stat().st_size < 2.5 * parameters
    kinds = [node.op_type for node in onnx.load(made.folder / "model.int8.onnx").graph.node]
    assert "MatMulInteger" in kinds and "Gemm" not in kinds
    assert "BATCH_MATMUL" in read_model_facts(made.folder / "model.tflite").ops


def test_a_file_that_goes_wrong_is_told_by_its_blocks(made: Made) -> None:
    shipped = inference_form(made.model, LENGTHS[-1])
    for file in ("model.onnx", "model.tflite"):
        found = locate_divergence(shipped, made.folder / file, file.rpartition(".")[2], made.texts, LENGTHS)
        assert found.relative_error < 1e-3 and {"layers.1", "logits"} <= {place for place, _ in found.trail}
