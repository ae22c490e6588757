"""Static int8 in TFLite: a network of products computes in integers alone, in ranges fixed by samples.

What chips without float products need, and 10 operators that pass 8 bits on are quicker than 10 that each look for
their input's range. Weights have a scale an output, activations one range each; what is not a product stays float,
such as a scaler before and a score behind. A value outside its range counts as the range's end. Left out: ONNX, and
networks whose answer comes from a product, which would have 256 values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import ExportError
from .quantize import write_quantized

CALIBRATION_ROWS = 512
"""As many rows fix the ranges, spread evenly over those that are given."""


def quantize_tflite_static(source: Path, target: Path, rows: NDArray[Any]) -> None:
    """Writes the static int8 form of `source`, a TFLite file of one signature with one input, to `target`.

    `rows` are inputs [n, ...] of one row each. Raises ExportError when there is none, when ai-edge-quantizer is missing
    or cannot quantize the file.
    """
    if not len(rows):
        raise ExportError(f"static int8 of {source.name} needs samples to fix its ranges by, none was given")
    chosen = np.linspace(0, len(rows) - 1, min(CALIBRATION_ROWS, len(rows))).astype(int)
    write_quantized(source, target, lambda path: _with_fixed_ranges(path, rows[chosen].astype(np.float32)))


def _with_fixed_ranges(source: Path, rows: NDArray[np.float32]) -> Any:
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import qtyping, quantizer

    ((signature, names),) = Interpreter(model_path=str(source)).get_signature_list().items()
    (name,) = names["inputs"]
    model = quantizer.Quantizer(str(source))
    products = qtyping.TFLOperationName.FULLY_CONNECTED
    model.update_quantization_recipe(regex=".*", operation_name=products, op_config=_in_integers())
    ranges = model.calibrate({signature: [{name: row[None]} for row in rows]})
    return model.quantize(ranges).quantized_model


def _in_integers() -> Any:
    from ai_edge_quantizer.qtyping import ComputePrecision, OpQuantizationConfig, QuantGranularity
    from ai_edge_quantizer.qtyping import TensorQuantizationConfig as Tensor

    return OpQuantizationConfig(
        activation_tensor_config=Tensor(num_bits=8, symmetric=False, granularity=QuantGranularity.TENSORWISE),
        weight_tensor_config=Tensor(num_bits=8, symmetric=True, granularity=QuantGranularity.CHANNELWISE),
        compute_precision=ComputePrecision.INTEGER,
    )
