"""A tiny sentence encoder, exported and packed by the real parts: both engines, both precisions, some kilobytes."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_bundle import FILES, LENGTHS, MAX_LENGTH, TEXTS, VOCABULARY, write_tokenizer
from torch import Tensor, nn

from penjing.export.embedding_bundle import EMBEDDING, write_embedding_bundle
from penjing.export.quantize import quantize_onnx, quantize_tflite
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.runtime.bundle import Bundle
from penjing.runtime.engine import open_engine
from penjing.runtime.manifest import Quality
from penjing.runtime.tokenizer import TextTokenizer
from penjing.runtime.vector_goldens import VectorGolden, make_vector_goldens

SIZE, CUTS = 32, (8, 16)


class TinyEncoder(nn.Module):
    """The mean of the words' vectors through one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(len(VOCABULARY), 32)
        self.types = nn.Embedding(2, 32)
        self.hidden = nn.Linear(32, 48)
        self.head = nn.Linear(48, SIZE)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        mask = attention_mask.unsqueeze(-1).float()
        mean = ((self.words(input_ids) + self.types(token_type_ids)) * mask).sum(1) / mask.sum(1)
        vectors: Tensor = self.head(torch.relu(self.hidden(mean)))
        return vectors


def write_encoder_parts(folder: Path) -> None:
    """The four model files and the tokenizer's."""
    model = TinyEncoder().eval()
    export_onnx(model, folder / "model.onnx", opset=18, signature=EMBEDDING)
    export_tflite(model, folder / "model.tflite", sequence_lengths=LENGTHS, signature=EMBEDDING)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    write_tokenizer(folder)


def encoder_goldens(parts: Path) -> tuple[VectorGolden, ...]:
    """What the files answer to TEXTS."""
    engines = {name: open_engine(parts / name, Path(name).suffix[1:]) for name in FILES}
    return make_vector_goldens(TEXTS, TextTokenizer(parts, MAX_LENGTH), engines)


def pack_encoder(parts: Path, folder: Path) -> Bundle:
    """The bundle of what `write_encoder_parts` wrote."""
    return write_embedding_bundle(
        folder, name="tiny-encoder", size=SIZE, cuts=CUTS, model_files={name: parts / name for name in FILES},
        tokenizer_folder=parts, recipe_yaml="name: tiny-encoder\n", sequence_lengths=LENGTHS, max_length=MAX_LENGTH,
        quality=[Quality("model.onnx", "spearman", "validation", 4, 0.75, 0.3, 0.95)], goldens=encoder_goldens(parts),
        provenance={"seed": 1}, readme="# tiny\n",
    )  # fmt: skip
