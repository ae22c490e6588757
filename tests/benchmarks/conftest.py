"""Tiny bundles made by hand: a bag of words in ONNX text, a word-level tokenizer, a manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from penjing.runtime.manifest import BundleFile, InputSpec, Manifest, write_manifest

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "a", "very", "not")
TEXTS = ("a good film", "a bad film", "not a very good film", "very bad", "good", "a film")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

GRAPH = """
<ir_version: 9, opset_import: ["" : 18]>
bag (int64[batch, sequence] input_ids, int64[batch, sequence] attention_mask, int64[batch, sequence] token_type_ids)
 => (float[batch, 2] logits)
{
    words = Gather (embedding, input_ids)
    hidden = MatMul (words, inner)
    active = Relu (hidden)
    axis = Constant <value_ints = [2]> ()
    mask = Cast <to = 1> (attention_mask)
    mask3 = Unsqueeze (mask, axis)
    kept = Mul (active, mask3)
    middle = Constant <value_ints = [1]> ()
    bag = ReduceSum <keepdims = 0> (kept, middle)
    logits = MatMul (bag, outer)
}
"""


def write_model(path: Path, hidden: int, seed: int) -> None:
    model = onnx.parser.parse_model(GRAPH)
    random = np.random.default_rng(seed)
    shapes = {"embedding": (len(WORDS), 8), "inner": (8, hidden), "outer": (hidden, 2)}
    for name, shape in shapes.items():
        values = random.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path))


def write_bundle(folder: Path, name: str, hidden: int) -> Path:
    folder.mkdir()
    write_model(folder / "model.onnx", hidden, seed=0)
    write_tokenizer(folder / "tokenizer.json")
    files = {}
    for file, format, precision in (("model.onnx", "onnx", "fp32"), ("tokenizer.json", "json", None)):
        content = (folder / file).read_bytes()
        files[file] = BundleFile(hashlib.sha256(content).hexdigest(), len(content), format, precision)
    inputs = tuple(InputSpec(name, "int64", ("batch", "sequence")) for name in INPUTS)
    manifest = Manifest(
        name=name, task="text-classification", labels=("bad", "good"), inputs=inputs, sequence_lengths=(8, 16),
        max_length=16, files=files, preprocess={"lowercase": True, "pad_id": 0}, postprocess={"function": "softmax"},
    )  # fmt: skip
    write_manifest(manifest, folder)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose model takes microseconds."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "small", "small", hidden=4)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a model four thousand times as wide."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "large", "large", hidden=16384)


@pytest.fixture(scope="session")
def texts() -> tuple[str, ...]:
    """Short texts of different lengths."""
    return TEXTS
