"""MLPerf Tiny's anomaly detector beside one of the same shape made by our line: bytes and latency under LiteRT.

    python -m penjing.pipeline.experiments.mlperf_ad01 --to docs/results/mlperf_ad01.json

All are static int8. Theirs is a network that takes and gives int8; our detector takes samples as a device has them,
and scales and scores in the file. So our network alone stands beside theirs, and the whole detector, too: bytes, and
times of the interpreter's invoke. The last ratio is of the way from a sample to its score, for which theirs needs numpy
before and after. One thread, interleaved. Left out: quality, as the reference's anomalous clips are not public in a
repository; ours is fitted on its one normal clip and noise around it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ...benchmarks.interleave import interleave
from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...compress.detectors.dense_autoencoder import fit_dense_autoencoder
from ...compress.detectors.scaling import float_tensor
from ...compress.models.dense_autoencoder import MLPERF_AD01
from ...export.quantize_static import quantize_tflite_static
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


@dataclass(frozen=True)
class Ours:
    """Int8 TFLite files of the reference's shape: the whole detector, and the network without its scaler and score."""

    detector: Path
    network: Path


def make_ours(clip: NDArray[np.float32], folder: Path) -> Ours:
    """Fitted on the clip's windows and noise around them."""
    random = np.random.default_rng(0)
    noise = random.random((ROWS, 1)) * random.standard_normal((ROWS, clip.shape[1])) * clip.std() / 2
    rows = np.concatenate([clip, clip[random.integers(len(clip), size=ROWS)] + noise]).astype(np.float64)
    detector = fit_dense_autoencoder(rows[:, None], widths=MLPERF_AD01.widths, epochs=10)
    scaled = detector.scaler(float_tensor(rows)).numpy()
    return Ours(
        _quantized(detector, rows, folder / "detector.tflite"),
        _quantized(_Reconstruction(detector.network), scaled, folder / "network.tflite"),
    )


class _Reconstruction(nn.Module):
    """samples [1, 1, 640], scaled -> their reconstruction [1, 640]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, samples: Tensor) -> Tensor:
        rows: Tensor = self.network(samples.flatten(1))
        return rows


def _quantized(module: nn.Module, rows: NDArray[Any], path: Path) -> Path:
    write_module(module, path, opset=18, window=1, channels=rows.shape[1])
    int8 = path.with_suffix(".int8.tflite")
    quantize_tflite_static(path, int8, rows[:, None])
    return int8


def error_claims(folder: Path, clip: NDArray[np.float32]) -> Iterator[dict[str, Any]]:
    """Mean squared errors of the reference's files on the clip, run in our engine."""
    for name in THEIRS:
        engine = open_engine(folder / name, "tflite")
        (answer,) = engine.run({engine.inputs[0].name: clip}).values()
        error = float(np.square(answer - clip).mean())
        yield make_claim(f"mlperf.{name.removesuffix('.tflite')}.mse", error, "", None, len(clip))


def size_and_latency(
    theirs: Path, ours: Ours, clip: NDArray[np.float32], samples: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Ours over theirs; fills `samples` with milliseconds."""
    size = theirs.stat().st_size
    bytes_claim = make_claim("mlperf.bytes", ours.network.stat().st_size / size, "x", None, 1)
    yield against(bytes_claim, TARGETS["mlperf.bytes"], WHY)
    yield make_claim("mlperf.bytes.scored", ours.detector.stat().st_size / size, "x", None, 1)
    window = clip[None, :1]
    calls = {
        "theirs": invoker(theirs, clip[:1]), "network": invoker(ours.network, window),
        "detector": invoker(ours.detector, window), "their answer": by_hand(theirs, clip[:1]),
        "our answer": scorer(ours.detector, window),
    }  # fmt: skip
    blocks = interleave(list(calls.values()), rounds=ROUNDS, repeats=REPEATS, seed=1, title="ad01")
    times = dict(zip(calls, blocks, strict=True))
    samples.update({name: block.round(6).tolist() for name, block in times.items()})
    yield against(ratio_claim("mlperf.latency", times["network"], times["theirs"]), TARGETS["mlperf.latency"], WHY)
    yield ratio_claim("mlperf.latency.scored", times["detector"], times["theirs"])
    yield ratio_claim("mlperf.latency.answer", times["our answer"], times["their answer"])


def invoker(path: Path, sample: NDArray[np.float32]) -> Callable[[int], Any]:
    """Calls the interpreter on a sample that is set once."""
    interpreter, given, _ = _interpreter(path)
    interpreter.set_tensor(given["index"], sample.astype(given["dtype"]))
    return lambda i: interpreter.invoke()


def scorer(path: Path, sample: NDArray[np.float32]) -> Callable[[int], Any]:
    """From a sample to its score by a file that scores."""
    interpreter, given, score = _interpreter(path)

    def call(i: int) -> float:
        interpreter.set_tensor(given["index"], sample)
        interpreter.invoke()
        return float(interpreter.get_tensor(score["index"])[0])

    return call


def by_hand(path: Path, sample: NDArray[np.float32]) -> Callable[[int], Any]:
    """From a sample to its score by a file that takes and gives int8, as the reference's own code does."""
    interpreter, given, answer = _interpreter(path)
    (scale, zero), (out_scale, out_zero) = given["quantization"], answer["quantization"]

    def call(i: int) -> float:
        rounded = np.clip(np.round(sample / scale + zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], rounded)
        interpreter.invoke()
        reconstruction = (interpreter.get_tensor(answer["index"]).astype(np.float32) - out_zero) * out_scale
        return float(np.square(reconstruction - sample).mean())

    return call


def _interpreter(path: Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Ready to invoke on one thread, with its one input and its one output."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    return interpreter, given, answer


if __name__ == "__main__":
    main()
