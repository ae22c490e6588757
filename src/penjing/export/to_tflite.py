"""A torch module to TFLite: one signature `serving_<length>` a length, weights shared between them.

litert-torch takes static shapes only; inputs have a batch of 1 and the ONNX file's names, token ids are int32. Left
out: larger batches.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..runtime.errors import ExportError
from .loop_lstm import teach_litert_torch
from .outline_loops import outline_loops
from .share_buffers import share_buffers
from .signature import TEXT, Signature
from .tflite_edit import edited
from .to_onnx import silenced


class _NamedOutput(nn.Module):
    """Gives the output its name: litert-torch names outputs after the keys of a dictionary."""

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        return {self.output: self.model(**inputs)}


def export_tflite(
    model: nn.Module, path: Path, *, sequence_lengths: Sequence[int], signature: Signature = TEXT
) -> None:
    """Writes `model` (in eval mode) to `path`. Raises ExportError when litert-torch is missing or refuses the model."""
    try:
        with silenced():
            import litert_torch
    except ImportError:
        raise ExportError(
            "TFLite needs litert-torch: pip install 'penjing[export]', or take tflite out of export.formats"
        ) from None
    named = _NamedOutput(model, signature.output).eval()
    converter: Any = litert_torch
    try:
        with silenced(), torch.no_grad():
            teach_litert_torch()
            for length in sorted(sequence_lengths):
                converter = converter.signature(f"serving_{length}", named, sample_kwargs=_example(signature, length))
            converted = converter.convert()
            outline_loops(converted)
            content = converted.model_content()  # written here: on a full disk `export` ends the process
    except Exception as error:  # the converter raises many kinds; the user needs one sentence
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"litert-torch cannot convert {type(model).__name__}: {reason}") from error
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(edited(content, share_buffers))
    os.replace(temporary, path)


def _example(signature: Signature, length: int) -> dict[str, Tensor]:
    examples = signature.examples(1, length)
    return {
        name: values if values.is_floating_point() else values.int()
        for name, values in zip(signature.inputs, examples, strict=True)
    }
