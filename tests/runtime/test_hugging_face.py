"""The bundle opens in Hugging Face's loaders, which answer as our runtime does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import LABELS, TEXTS
from transformers import AutoConfig, AutoTokenizer

from penjing.runtime import load

MODELS = {"model.onnx": "fp32", "model.int8.onnx": "int8"}


@pytest.mark.parametrize("file", MODELS)
def test_optimum_gives_the_same_logits(file: str, tiny_bundle: Path) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification

    chosen = {} if file == "model.onnx" else {"file_name": file}
    model = ORTModelForSequenceClassification.from_pretrained(tiny_bundle, **chosen)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bundle)
    predictor = load(tiny_bundle, "onnx", MODELS[file])
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=16, return_tensors="np")
        expected = model(**inputs).logits[0]
        np.testing.assert_allclose(predictor.predict(text).logits, expected, atol=1e-6)


def test_the_configuration_names_the_labels(tiny_bundle: Path) -> None:
    config = AutoConfig.from_pretrained(tiny_bundle)
    assert config.id2label == dict(enumerate(LABELS))
    assert config.num_labels == len(LABELS)
