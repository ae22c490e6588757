"""MLPerf Tiny's anomaly detector beside one of the same shape made by our line: bytes and latency under LiteRT.

    python -m penjing.pipeline.experiments.mlperf_ad01 --to docs/results/mlperf_ad01.json

Both are int8; theirs takes and gives int8, ours takes samples as a device has them, and scales and scores in the file.
Times are of the interpreter's invoke alone, on one thread, interleaved. Left out: quality, as the reference's anomalous
clips are not public in a repository; ours is fitted on its one normal clip and noise around it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.interleave import interleave
from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...compress.detectors.dense_autoencoder import fit_dense_autoencoder
from ...compress.models.dense_autoencoder import MLPERF_AD01
from ...export.quantize import quantize_tflite
from ...runtime.engine import open_engine
from ..claims import against, make_claim
from ..detection.fit import write_module
from ..recipe import resolve_path
from ..text_files import write_json
from .device import ratio_claim

FOLDER = "../shared/data/anomaly/mlperf_tiny_ad01"
CLIP = "normal_id_01_00000000_hist_librosa.bin"
THEIRS = ("ad01_fp32.tflite", "ad01_int8.tflite")
TARGETS = {"mlperf.bytes": "<= 1.05", "mlperf.latency": "<= 1.05"}
WHY = "missed on this machine; see the samples"
ROWS, ROUNDS, REPEATS = 1000, 40, 50


def main() -> None:
    """Reads the command line, measures and writes the claims."""
    parser = argparse.ArgumentParser(description="MLPerf Tiny ad01 beside ours.")
    parser.add_argument("--data", type=Path, default=Path(FOLDER))
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    machine, folder = describe_machine(), resolve_path(str(arguments.data))
    clip = np.fromfile(folder / CLIP, "<f4").reshape(-1, MLPERF_AD01.inputs)
    samples: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        ours = make_ours(clip, Path(scratch))
        found = [*error_claims(folder, clip), *size_and_latency(folder / THEIRS[1], ours, clip, samples)]
    command = f"python -m penjing.pipeline.experiments.mlperf_ad01 --to {arguments.to}"
    claims = [{**claim, "command": command} for claim in found]
    write_json(arguments.to, {"claims": claims, "machine": to_plain(machine), "samples_ms": samples})


def make_ours(clip: NDArray[np.float32], folder: Path) -> Path:
    """The int8 TFLite file of a detector of the reference's shape, fitted on the clip's windows and noise around it."""
    random = np.random.default_rng(0)
    noise = random.random((ROWS, 1)) * random.standard_normal((ROWS, clip.shape[1])) * clip.std() / 2
    rows = np.concatenate([clip, clip[random.integers(len(clip), size=ROWS)] + noise]).astype(np.float64)
    module = fit_dense_autoencoder(rows[:, None], widths=MLPERF_AD01.widths, epochs=10)
    write_module(module, folder / "model.tflite", opset=18, window=1, channels=clip.shape[1])
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    return folder / "model.int8.tflite"


def error_claims(folder: Path, clip: NDArray[np.float32]) -> Iterator[dict[str, Any]]:
    """Mean squared errors of the reference's files on the clip, run in our engine."""
    for name in THEIRS:
        engine = open_engine(folder / name, "tflite")
        (answer,) = engine.run({engine.inputs[0].name: clip}).values()
        error = float(np.square(answer - clip).mean())
        yield make_claim(f"mlperf.{name.removesuffix('.tflite')}.mse", error, "", None, len(clip))


def size_and_latency(
    theirs: Path, ours: Path, clip: NDArray[np.float32], samples: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Ours over theirs; fills `samples` with milliseconds."""
    ratio = ours.stat().st_size / theirs.stat().st_size
    yield against(make_claim("mlperf.bytes", ratio, "x", None, 1), TARGETS["mlperf.bytes"], WHY)
    calls = {"theirs": invoker(theirs, clip[:1]), "ours": invoker(ours, clip[None, :1])}
    blocks = interleave(list(calls.values()), rounds=ROUNDS, repeats=REPEATS, seed=1, title="ad01")
    times = dict(zip(calls, blocks, strict=True))
    samples.update({name: block.round(6).tolist() for name, block in times.items()})
    claim = ratio_claim("mlperf.latency", times["ours"], times["theirs"])
    yield against(claim, TARGETS["mlperf.latency"], WHY)


def invoker(path: Path, sample: NDArray[np.float32]) -> Callable[[int], Any]:
    """Calls the interpreter on a sample that is set once."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    interpreter.set_tensor(detail["index"], sample.astype(detail["dtype"]))
    return lambda i: interpreter.invoke()


if __name__ == "__main__":
    main()
