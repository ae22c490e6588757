"""A tiny Mahalanobis detector of 3 features in windows of 4: fitted, exported, calibrated, packed by the real parts."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penjing.compress.detectors.mahalanobis import fit_mahalanobis
from penjing.export.detector_bundle import write_detector_bundle
from penjing.export.quantize import quantize_onnx, quantize_tflite
from penjing.export.signature import samples_signature
from penjing.export.to_onnx import export_onnx
from penjing.export.to_tflite import export_tflite
from penjing.runtime.bundle import Bundle
from penjing.runtime.calibration import conformal_threshold
from penjing.runtime.engine import open_engine
from penjing.runtime.manifest import Quality
from penjing.runtime.policy import AlarmPolicy
from penjing.runtime.sample_goldens import make_sample_goldens
from penjing.runtime.samples import SampleFormat

FEATURES = ("speed", "load", "heat")
TYPICAL = (10.0, 0.0, -3.0)
WINDOW = 4
FILES = ("model.int8.onnx", "model.onnx", "model.int8.tflite", "model.tflite")
FORMAT = SampleFormat(FEATURES, TYPICAL, "series", "hold", largest_gap=2, period_seconds=1.0)


def series(n: int, seed: int) -> NDArray[np.float64]:
    """Normal samples [n, 3]; load follows speed."""
    noise = np.random.default_rng(seed).normal(size=(n, 3))
    noise[:, 1] += noise[:, 0]
    return noise * (2.0, 1.0, 0.5) + TYPICAL


def windows_of(samples: NDArray[np.float64], window: int = WINDOW) -> NDArray[np.float64]:
    """Every window of a series, [n - window + 1, window, channels]."""
    return np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1).copy()


def write_detector_parts(folder: Path, window: int = WINDOW, files: tuple[str, ...] = FILES) -> None:
    """The model files of a detector fitted on `series`."""
    module = fit_mahalanobis(windows_of(series(400, seed=0), window)).eval()
    signature = samples_signature(window, len(FEATURES))
    export_onnx(module, folder / "model.onnx", opset=18, signature=signature)
    quantize_onnx(folder / "model.onnx", folder / "model.int8.onnx")
    if "model.tflite" in files:
        export_tflite(module, folder / "model.tflite", sequence_lengths=(window,), signature=signature)
        quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")


def pack_detector(
    parts: Path, folder: Path, window: int = WINDOW, files: tuple[str, ...] = FILES, **changes: Any
) -> Bundle:
    """`write_detector_bundle` on what `write_detector_parts` wrote, with some arguments changed."""
    engines = {name: open_engine(parts / name, Path(name).suffix[1:]) for name in files}
    held_out = windows_of(series(400, seed=1), window).astype(np.float32)
    scores = {
        name: np.concatenate([engine.run({"samples": row[None]})["scores"] for row in held_out])
        for name, engine in engines.items()
    }
    thresholds = {name: conformal_threshold(values, 0.05) for name, values in scores.items()}
    odd = windows_of(series(8, seed=2), window)[:4] + np.array([0.0, 0.0, 3.0])
    arguments: dict[str, Any] = {
        "name": "tiny-detector",
        "model_files": {name: parts / name for name in files},
        "samples": FORMAT,
        "window": window,
        "thresholds": thresholds,
        "policy": AlarmPolicy(),
        "recipe_yaml": "name: tiny-detector\n",
        "quality": [Quality("model.onnx", "auc_roc", "test", 4, 0.75, 0.3, 0.95)],
        "goldens": make_sample_goldens(np.concatenate([held_out[:4], odd]), engines, thresholds),
        "provenance": {"seed": 0},
        "readme": "# tiny detector\n",
    }
    return write_detector_bundle(folder, **{**arguments, **changes})


@cache
def shared_detector_bundle() -> Path:
    """One bundle with all four files for all tests of this process; not to be changed."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-detector-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "parts").mkdir()
    write_detector_parts(folder / "parts")
    return pack_detector(folder / "parts", folder / "bundle").folder


def shared_detector_parts() -> Path:
    """The folder of its model files, to be packed otherwise."""
    return shared_detector_bundle().parent / "parts"
