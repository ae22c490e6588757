"""A detector's files, exported and run as on a device: what the tests of detectors compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from penjing.export.signature import samples_signature
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.runtime.engine import open_engine


def torch_scores(module: nn.Module, samples: NDArray[Any]) -> NDArray[np.float64]:
    """[n] in float32 arithmetic."""
    with torch.no_grad():
        return module(torch.tensor(samples, dtype=torch.float32)).double().numpy()


def exported_scores(
    module: nn.Module, samples: NDArray[Any], folder: Path, formats: tuple[str, ...] = ("onnx", "tflite")
) -> dict[str, NDArray[np.float64]]:
    """Scores [n] of each exported format, row by row in TFLite and as one batch in ONNX."""
    signature = samples_signature(*samples.shape[1:])
    found = {}
    for name in formats:
        path = folder / f"model.{name}"
        if name == "onnx":
            export_onnx(module.eval(), path, opset=18, signature=signature)
        else:
            export_tflite(module.eval(), path, sequence_lengths=samples.shape[1:2], signature=signature)
        found[name] = open_engine(path, name).run({"samples": samples})["scores"].astype(np.float64)
    return found
