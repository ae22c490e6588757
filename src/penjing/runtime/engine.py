"""The engine: arrays in, arrays out. The only Protocol of the project.

ONNX Runtime and LiteRT are two implementations of it, each imported only when a file of its format is opened. Left out:
text (`tokenizer.py`) and what the numbers mean (`predictor.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import EngineError
from .manifest import MODEL_FORMATS

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name, numpy dtype and shape (a string is a free dimension)."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Engine(Protocol):
    """A model file, opened. `name` is "onnx" or "tflite", `version` that of the engine's package.

    `run` takes every input of `inputs` as [batch, sequence] of any integer dtype, ignores others, and returns every
    output of `outputs`, [batch, ...]. It raises EngineError when an input is missing or the engine refuses the arrays.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]: ...


def open_engine(path: Path, format: str, threads: int = 1) -> Engine:
    """Opens `path` in the engine of its format. The caller has checked the file's hash.

    Raises EngineError when the format is unknown, the engine is not installed, or it refuses the file.
    """
    if threads < 1:
        raise EngineError(f"threads is {threads}: give 1 or more")
    if format == "onnx":
        from .onnx_engine import OnnxEngine

        return OnnxEngine(path, threads)
    if format == "tflite":
        from .tflite_engine import TfliteEngine

        return TfliteEngine(path, threads)
    raise EngineError(
        f"no engine for the format {format!r} of {path.name}: this Penjing runs {', '.join(MODEL_FORMATS)}"
    )


def select_inputs(specs: tuple[TensorSpec, ...], inputs: Arrays) -> dict[str, NDArray[Any]]:
    """The inputs that `specs` name, in their dtypes. Raises EngineError when one is missing."""
    try:
        return {spec.name: np.asarray(inputs[spec.name], dtype=spec.dtype) for spec in specs}
    except KeyError as missing:
        raise EngineError(f"the model needs the input {missing}, given are {', '.join(inputs)}: pass it too") from None


def one_line(error: Exception) -> str:
    """An engine's message on one line, cut at 300 characters: they can be pages long."""
    return " ".join(str(error).split())[:300]
