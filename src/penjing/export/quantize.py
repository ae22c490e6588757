"""Dynamic int8: weights and embedding rows in 8 bits, activations in 8 bits at run time, no calibration data.

Every product with a constant matrix and every embedding table is quantized, with a scale a channel and a scale a row,
and in ONNX every convolution, with one scale; attention's own products, sums and softmax stay float. ONNX weights use 7
of the 8 bits: x86 CPUs without VNNI add pairs of products in 16 bits, which full weights overflow (seen: 138 of 872
decisions flipped, 7 with 7 bits). Left out: ranges fixed beforehand (`quantize_static.py`) and formats below 8 bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from ..runtime.errors import ExportError
from ..runtime.onnx_engine import import_onnxruntime
from .int8_products import round_inputs_alike
from .lookup_rows import spell_out_lookups
from .quantize_tables import quantize_tables
from .share_buffers import share_buffers
from .tflite_edit import edited
from .to_onnx import save_whole, silenced, strip


def quantize_onnx(source: Path, target: Path) -> None:
    """Writes the int8 form of the ONNX file `source` to `target`. Raises ExportError when it cannot be quantized.

    Per-channel scales halve the error of the logits against one scale a matrix (measured on a BERT of SST-2).
    """
    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    temporary = target.with_name(target.name + ".part")
    try:
        with silenced():
            quantize_dynamic(
                source, temporary, op_types_to_quantize=["MatMul", "Conv", "LSTM"], per_channel=True, reduce_range=True,
                weight_type=QuantType.QInt8,
            )  # fmt: skip
        model = onnx.load(temporary)
    except Exception as error:  # protobuf, shape inference and the quantizer raise many kinds
        raise ExportError(f"onnxruntime cannot quantize {source.name}: {_one_line(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    quantize_tables(model)
    strip(model)
    save_whole(model, target)


def quantize_tflite(source: Path, target: Path) -> None:
    """Writes the int8 form of the TFLite file `source` to `target`, with what its signatures share stored once.

    Raises ExportError when ai-edge-quantizer is missing or cannot quantize the file.
    """
    write_quantized(source, target, _with_ranges_at_run_time)


def write_quantized(source: Path, target: Path, quantize: Callable[[Path], Any]) -> None:
    """Writes what `quantize` makes of `source` with ai-edge-quantizer, edited for every interpreter, to `target`.

    Raises ExportError when ai-edge-quantizer is missing or cannot quantize the file.
    """
    try:
        with silenced():
            quantized = bytes(quantize(source))
    except ImportError:
        raise ExportError("TFLite int8 needs ai-edge-quantizer: pip install 'penjing[export]'") from None
    except Exception as error:  # flatbuffers and the quantizer raise many kinds
        raise ExportError(f"ai-edge-quantizer cannot quantize {source.name}: {_one_line(error)}") from error
    temporary = target.with_name(target.name + ".part")
    temporary.write_bytes(edited(quantized, share_buffers, spell_out_lookups, round_inputs_alike, share_buffers))
    os.replace(temporary, target)


def _with_ranges_at_run_time(source: Path) -> Any:
    from ai_edge_quantizer import quantizer, recipe

    return quantizer.Quantizer(str(source), recipe.dynamic_wi8_afp32()).quantize().quantized_model


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
