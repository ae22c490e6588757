"""A tiny student with random weights, texts for it, and its exported files, made once a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from penjing.compress.models.folded import inference_form
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.export.quantize import quantize_onnx, quantize_tflite
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.runtime.tokenizer import Encoded

VOCABULARY, LENGTHS = 30_522, (8, 16, 24)


@dataclass(frozen=True)
class Exported:
    """The torch module, its files, real lengths of texts, and what torch says of them."""

    model: torch.nn.Module
    folder: Path
    texts: Encoded
    logits: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The student's own decisions, so that its accuracy is 1."""
        return self.logits.argmax(axis=1)


def make_texts(count: int, seed: int, longest: int = LENGTHS[-1]) -> Encoded:
    """Random ids of random lengths, padded on the right."""
    source = np.random.default_rng(seed)
    tokens = source.integers(3, longest + 1, count)
    mask = (np.arange(longest) < tokens[:, None]).astype(np.int64)
    ids = source.integers(1, VOCABULARY, (count, longest)) * mask
    return Encoded(ids, mask, np.zeros_like(ids), (False,) * count)


def torch_logits(model: torch.nn.Module, texts: Encoded) -> np.ndarray:
    with torch.no_grad():
        output = model(**{name: torch.from_numpy(array) for name, array in texts.inputs.items()})
    return np.asarray(getattr(output, "logits", output))


@pytest.fixture(scope="session")
def student() -> MobileBertClassifier:
    """Two blocks whose every weight matters; about half of random texts fall on each side."""
    torch.manual_seed(3)
    config = MobileBertConfig.uniform(
        2, heads=4, head_size=8, feed_forwards=1, intermediate_size=48, hidden_size=64, embedding_size=32,
        bottleneck_size=32, vocab_size=VOCABULARY, max_positions=32,
    )  # fmt: skip
    model = MobileBertClassifier(config, 2).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm.weight" in name:
                weight.uniform_(0.6, 1.4)
            elif "LayerNorm.bias" in name or name.endswith("dense.bias"):
                weight.normal_(0, 0.1)
            elif weight.ndim == 2:
                weight.normal_(0, 0.15)
        model.mobilebert.embeddings.word_embeddings.weight[0].zero_()
        model.classifier.bias.sub_(torch.from_numpy(torch_logits(model, make_texts(200, seed=9))).median(0).values)
    return model


@pytest.fixture(scope="session")
def exported(student: MobileBertClassifier, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """`model.onnx` and `model.int8.onnx`."""
    folder = tmp_path_factory.mktemp("onnx")
    model = inference_form(student, max_length=LENGTHS[-1])
    export_onnx(model, folder / "model.onnx", opset=18)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    texts = make_texts(40, seed=1)
    return Exported(model, folder, texts, torch_logits(model, texts))


@pytest.fixture(scope="session")
def exported_tflite(student: MobileBertClassifier, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """`model.tflite` and `model.int8.tflite` with a signature for each of LENGTHS."""
    folder = tmp_path_factory.mktemp("tflite")
    model = inference_form(student, max_length=LENGTHS[-1])
    export_tflite(model, folder / "model.tflite", sequence_lengths=LENGTHS)
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    texts = make_texts(40, seed=1)
    return Exported(model, folder, texts, torch_logits(model, texts))
