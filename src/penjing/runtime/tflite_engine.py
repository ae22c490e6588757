"""LiteRT (TensorFlow Lite) as an engine, on the CPU with XNNPACK.

A TFLite file has fixed shapes: one signature for each sequence length (or a detector's window), named
`serving_<length>`, batch 1. Inputs are padded to the smallest signature that fits, and rows of a batch run one after
the other. A file of another maker without signatures runs too (`plain_tflite.py`). Left out: delegates for GPUs and
NPUs.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine import Arrays, TensorSpec, one_line, select_inputs
from .errors import EngineError, EngineMissingError
from .plain_tflite import plain_runners

SIGNATURE_PREFIX = "serving_"
METADATA_NAME = b"TFLITE_METADATA"
"""By which a file holds what other readers ask of it, a detector's threshold too."""


class TfliteEngine:
    """A TFLite file in a LiteRT interpreter. `inputs` are those of the longest signature."""

    name = "tflite"

    def __init__(self, path: Path, threads: int) -> None:
        """Opens the file; raises EngineError when LiteRT is not installed or refuses it, or inputs have no length."""
        make_interpreter, self.version = _import_litert()
        try:
            self._interpreter = make_interpreter(model_path=str(path), num_threads=threads)
            names = [name for name in self._interpreter.get_signature_list() if name.startswith(SIGNATURE_PREFIX)]
            runners = {int(n[len(SIGNATURE_PREFIX) :]): self._interpreter.get_signature_runner(n) for n in names}
            runners = runners or plain_runners(self._interpreter)
        except (ValueError, RuntimeError, OSError) as error:
            raise EngineError(f"LiteRT {self.version} refuses {path.name}: {one_line(error)}") from None
        if not runners:
            raise EngineError(
                f"{path.name} has no signature {SIGNATURE_PREFIX}<length>, nor inputs of one length: export it with"
                " `penjing run`"
            )
        self._runners = dict(sorted(runners.items()))
        longest = self._runners[max(self._runners)]
        self.inputs = _specs(longest.get_input_details())
        self.outputs = _specs(longest.get_output_details())
        # An interpreter called by two threads at once crashes the process.
        self._lock = Lock()

    @property
    def sequence_lengths(self) -> tuple[int, ...]:
        """Lengths of the signatures, ascending."""
        return tuple(self._runners)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """See `Engine.run`; raises EngineError, too, when no signature is long enough."""
        feed = select_inputs(self.inputs, inputs)
        rows, tokens = next(iter(feed.values())).shape[:2]
        length = next((length for length in self._runners if length >= tokens), None)
        if length is None:
            raise EngineError(f"{tokens} tokens, but the longest signature has {max(self._runners)}: cut the text")
        answers = []
        for i in range(rows):
            answers.append(self._run_row(length, {name: _pad(values[i], length) for name, values in feed.items()}))
        return {spec.name: np.concatenate([answer[spec.name] for answer in answers]) for spec in self.outputs}

    def _run_row(self, length: int, row: Arrays) -> dict[str, NDArray[Any]]:
        try:
            with self._lock:
                answer: dict[str, NDArray[Any]] = self._runners[length](**row)
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"LiteRT {self.version} cannot run the model: {one_line(error)}") from None
        return answer


def _pad(row: NDArray[Any], length: int) -> NDArray[Any]:
    padded = np.zeros((1, length, *row.shape[1:]), row.dtype)  # five times faster than np.pad
    padded[0, : len(row)] = row
    return padded


def _import_litert() -> tuple[Any, str]:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise EngineMissingError(
            f"the engine tflite is not installed ({one_line(error)}): pip install 'penjing[tflite]'"
        ) from None
    return Interpreter, importlib.metadata.version("ai-edge-litert")


def _specs(details: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, np.dtype(detail["dtype"]).name, tuple(int(size) for size in detail["shape"]))
        for name, detail in details.items()
    )
