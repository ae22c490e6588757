"""ONNX Runtime as an engine, on the CPU.

Left out: other execution providers, IO binding, and writing optimized graphs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .engine import Arrays, TensorSpec, one_line, select_inputs
from .errors import EngineError, EngineMissingError

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
_ERRORS_ONLY = 3


def import_onnxruntime() -> Any:
    """The `onnxruntime` module, with its telemetry off. The one place that imports it.

    Raises EngineMissingError when it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the library loads: later is too late
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineMissingError(
            f"the engine onnx is not installed ({one_line(error)}): pip install onnxruntime"
        ) from None
    return onnxruntime


class OnnxEngine:
    """An ONNX file in a session of ONNX Runtime. Inputs are [batch, sequence], both free; any thread may call `run`."""

    name = "onnx"

    def __init__(self, path: Path, threads: int) -> None:
        """Opens the file; raises EngineError when ONNX Runtime is not installed or refuses it."""
        ort = import_onnxruntime()
        self.version: str = ort.__version__
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own classes have no common base but this
            raise EngineError(f"ONNX Runtime {self.version} refuses {path.name}: {one_line(error)}") from None
        self.inputs = tuple(_spec(item) for item in self._session.get_inputs())
        self.outputs = tuple(_spec(item) for item in self._session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """See `Engine.run`."""
        feed = select_inputs(self.inputs, inputs)
        try:
            values = self._session.run(self._output_names, feed)
        except Exception as error:  # as above
            raise EngineError(f"ONNX Runtime {self.version} cannot run the model: {one_line(error)}") from None
        return dict(zip(self._output_names, values, strict=True))


def _spec(item: Any) -> TensorSpec:
    dtype = _DTYPES.get(item.type) or item.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(item.name, dtype, tuple(item.shape))
