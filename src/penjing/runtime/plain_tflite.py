"""TFLite files of other makers: no signature of ours, and often quantized numbers at the borders.

They are called as signatures are. Where the file takes or gives int8, values are float32 here: they are rounded to the
file's scale and limits on the way in, and scaled back on the way out, since a raw int8 taken for a score is a wrong
score that nobody notices. Left out: shapes that change, and several inputs of different lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PlainRunner:
    """The only graph of an interpreter, called with arrays by the names of its inputs, for arrays by its outputs'."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        self._inputs, self._outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def get_input_details(self) -> Mapping[str, Any]:
        """By name, with `shape` and the `dtype` that calls take."""
        return _details(self._inputs)

    def get_output_details(self) -> Mapping[str, Any]:
        """By name, with `shape` and the `dtype` that calls give."""
        return _details(self._outputs)

    def __call__(self, **values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Raises ValueError or RuntimeError as LiteRT does."""
        for detail in self._inputs:
            self._interpreter.set_tensor(detail["index"], _quantized(values[detail["name"]], detail))
        self._interpreter.invoke()
        return {d["name"]: _real(self._interpreter.get_tensor(d["index"]), d) for d in self._outputs}


def plain_runners(interpreter: Any) -> dict[int, PlainRunner]:
    """The graph under its length, the second size of its inputs; none where an input has no such size."""
    lengths = {int(detail["shape"][1]) for detail in interpreter.get_input_details() if len(detail["shape"]) > 1}
    return {length: PlainRunner(interpreter) for length in lengths} if len(lengths) == 1 else {}


def _details(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {d["name"]: {**d, "dtype": np.float32 if _is_quantized(d) else d["dtype"]} for d in found}


def _is_quantized(detail: Mapping[str, Any]) -> bool:
    return np.issubdtype(detail["dtype"], np.integer) and detail["quantization"][0] > 0


def _quantized(values: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    if not _is_quantized(detail):
        return values
    (scale, zero), limits = detail["quantization"], np.iinfo(detail["dtype"])
    rounded: NDArray[Any] = np.clip(np.round(values / scale) + zero, limits.min, limits.max)
    return rounded.astype(detail["dtype"])


def _real(values: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    if not _is_quantized(detail):
        return values
    scale, zero = detail["quantization"]
    real: NDArray[Any] = (values.astype(np.float32) - zero) * np.float32(scale)
    return real
