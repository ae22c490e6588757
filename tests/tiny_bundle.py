"""A tiny text classifier, exported and packed by the real parts: both engines, both precisions, some kilobytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from penjing.export.bundle import write_bundle
from penjing.export.quantize import quantize_onnx, quantize_tflite
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.runtime.bundle import Bundle, sha256_of
from penjing.runtime.engine import open_engine
from penjing.runtime.goldens import Golden, make_goldens
from penjing.runtime.manifest import Quality, read_manifest, write_manifest
from penjing.runtime.tokenizer import TextTokenizer

LABELS = ("bad", "fair", "good")
LENGTHS = (8, 16)
MAX_LENGTH = 16
TEXTS = ("a good film", "very bad!", "the plot was fair, the film was not", "good " * 30)
FILES = ("model.int8.onnx", "model.onnx", "model.int8.tflite", "model.tflite")
_WORDS = ("good", "bad", "fair", "film", "plot", "the", "a", "was", "very", "not", *".,!?-'[]…電影かカ한😀éе")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS))


class TinyClassifier(nn.Module):
    """The mean of the words' vectors, then one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(len(VOCABULARY), 32)
        self.types = nn.Embedding(2, 32)
        self.hidden = nn.Linear(32, 32)
        self.head = nn.Linear(32, len(LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        mask = attention_mask.unsqueeze(-1).float()
        mean = ((self.words(input_ids) + self.types(token_type_ids)) * mask).sum(1) / mask.sum(1)
        logits: Tensor = self.head(torch.relu(self.hidden(mean))) * 4
        return logits


def write_tokenizer(folder: Path) -> None:
    """A WordPiece tokenizer in all the files that transformers saves."""
    from transformers import BertTokenizerFast

    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(str(folder))


def write_parts(folder: Path) -> None:
    """The four model files and the tokenizer's."""
    model = TinyClassifier().eval()
    export_onnx(model, folder / "model.onnx", opset=18)
    export_tflite(model, folder / "model.tflite", sequence_lengths=LENGTHS)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    write_tokenizer(folder)


def pack(parts: Path, folder: Path, **changes: Any) -> Bundle:
    """`write_bundle` on what `write_parts` wrote, with some arguments changed."""
    arguments = pack_arguments(parts)
    return write_bundle(folder, **{**arguments, **changes})


def pack_arguments(parts: Path) -> dict[str, Any]:
    """All arguments of `write_bundle` but the folder."""
    files = {name: parts / name for name in FILES}
    return {
        "name": "tiny",
        "task": "text-classification",
        "labels": LABELS,
        "model_files": files,
        "tokenizer_folder": parts,
        "config": config(),
        "recipe_yaml": "name: tiny\n",
        "sequence_lengths": LENGTHS,
        "max_length": MAX_LENGTH,
        "quality": [Quality("model.onnx", "accuracy", "validation", 4, 0.75, 0.3, 0.95)],
        "goldens": goldens(parts, files),
        "provenance": {"seed": 1},
        "readme": "# tiny\n",
    }


def goldens(parts: Path, files: Mapping[str, Path]) -> tuple[Golden, ...]:
    """What the files answer to TEXTS."""
    engines = {name: open_engine(path, path.suffix[1:]) for name, path in files.items()}
    return make_goldens(TEXTS, TextTokenizer(parts, MAX_LENGTH), engines, LABELS)


def config() -> dict[str, Any]:
    """What Hugging Face loaders need."""
    names = dict(enumerate(LABELS))
    return {
        "model_type": "mobilebert",
        "architectures": ["MobileBertForSequenceClassification"],
        "vocab_size": len(VOCABULARY),
        "num_labels": len(LABELS),
        "id2label": names,
        "label2id": {label: i for i, label in names.items()},
    }


def rehash(folder: Path, name: str) -> None:
    """Makes the manifest agree with a file that a test has changed, as a forger would."""
    manifest = read_manifest(folder)
    path = folder / name
    entry = replace(manifest.files[name], sha256=sha256_of(path), bytes=path.stat().st_size)
    write_manifest(replace(manifest, files={**manifest.files, name: entry}), folder)


def poison(folder: Path) -> None:
    """Makes model.onnx answer NaN."""
    model = onnx.load(folder / "model.onnx")
    (bias,) = [tensor for tensor in model.graph.initializer if list(tensor.dims) == [len(LABELS)]]
    bias.CopyFrom(numpy_helper.from_array(np.full(len(LABELS), np.nan, np.float32), bias.name))
    onnx.save(model, folder / "model.onnx")
    rehash(folder, "model.onnx")


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Overwrites keys of manifest.json, valid or not."""
    path = folder / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**raw, **changes}), encoding="utf-8")
