"""Dynamic int8: weights and embedding rows in 8 bits, activations in 8 bits at run time, no calibration data.

Matrix products that have a constant side, and the word table, are quantized; sums, softmax and the small head stay float.
Left out: static quantization and formats below 8 bits.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx

from ..runtime.onnx_engine import import_onnxruntime
from .share_buffers import share_buffers
from .to_onnx import save_whole, silenced, strip


def quantize_onnx(source: Path, target: Path) -> None:
    """Writes the int8 form of the ONNX file `source` to `target`; weights have one scale a channel."""
    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    temporary = target.with_name(target.name + ".part")
    with silenced():
        quantize_dynamic(str(source), str(temporary), weight_type=QuantType.QInt8, per_channel=True)
    model = onnx.load(str(temporary))
    strip(model)
    save_whole(model, target)
    temporary.unlink(missing_ok=True)


def quantize_tflite(source: Path, target: Path) -> None:
    """Writes the int8 form of the TFLite file `source` to `target`; equal weights of the signatures are stored once."""
    with silenced():
        from ai_edge_quantizer import quantizer, recipe

        model = quantizer.Quantizer(str(source), recipe.dynamic_wi8_afp32())
        quantized = bytes(model.quantize().quantized_model)
    temporary = target.with_name(target.name + ".part")
    temporary.write_bytes(share_buffers(quantized))
    os.replace(temporary, target)
