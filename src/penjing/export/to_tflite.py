"""A torch text classifier to TFLite: one signature `serving_<length>` a sequence length, weights shared between them.

litert-torch takes static shapes only; inputs are int32 [1, length] under the ONNX file's names. Left out: batches.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..runtime.errors import ExportError
from .share_buffers import share_buffers
from .to_onnx import INPUT_NAMES, OUTPUT_NAME, silenced


class _NamedOutput(nn.Module):
    """Gives the logits their name: litert-torch names outputs after the keys of a dictionary."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> dict[str, Tensor]:
        return {OUTPUT_NAME: self.model(input_ids, attention_mask, token_type_ids)}


def export_tflite(model: nn.Module, path: Path, *, sequence_lengths: Sequence[int]) -> None:
    """Writes `model` (in eval mode) to `path`. Raises ExportError when litert-torch is missing or refuses the model."""
    try:
        with silenced():
            import litert_torch
    except ImportError:
        raise ExportError(
            "TFLite needs litert-torch: pip install 'penjing[export]', or take tflite out of export.formats"
        ) from None
    named = _NamedOutput(model).eval()
    converter: Any = litert_torch
    try:
        with silenced(), torch.no_grad():
            for length in sorted(sequence_lengths):
                converter = converter.signature(f"serving_{length}", named, sample_kwargs=_example(length))
            converted = converter.convert()
            temporary = path.with_name(path.name + ".part")
            converted.export(str(temporary))
    except Exception as error:  # the converter raises many kinds; the user needs one sentence
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"litert-torch cannot convert {type(model).__name__}: {reason}") from error
    temporary.write_bytes(share_buffers(temporary.read_bytes()))
    os.replace(temporary, path)


def _example(length: int) -> dict[str, Tensor]:
    ids = torch.ones(1, length, dtype=torch.int32)
    return dict(zip(INPUT_NAMES, (ids, torch.ones_like(ids), torch.zeros_like(ids)), strict=True))
