"""The claims of detectors on a device: a forest's latency beside scikit-learn's and skl2onnx's, and how fast and flat a
stream runs.

    python -m penjing.pipeline.experiments.device --to docs/results/device.json

Everything runs on one thread. The data are random numbers: neither latency nor memory depends on them. skl2onnx is no
dependency of ours: without it its comparison is left out, and said to be.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from tqdm import tqdm

from ...benchmarks.interleave import interleave
from ...benchmarks.intervals import Blocks, ratio_interval
from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...compress.detectors.isolation_forest import fit_isolation_forest
from ...runtime import Detector, load_detector
from ...runtime.engine import open_engine
from ...runtime.onnx_engine import import_onnxruntime
from ..claims import against, make_claim
from ..detection.fit import write_module
from ..detection.sections import DetectorRecipe
from ..detection.ship import ship_detector
from ..recipe import check_recipe
from ..run import make_detector
from ..text_files import write_json
from ..workspace import Workspace

TARGETS = {
    "forest.skl2onnx": ">= 100", "forest.sklearn": ">= 300", "stream.mahalanobis.rate": ">= 20000",
    "stream.pca.rate": ">= 20000", "stream.mahalanobis.growth": "< 1", "stream.pca.growth": "< 1",
}  # fmt: skip
WHY = "missed on this machine; see the samples"
FOREST_ROWS, FOREST_CHANNELS = 1831, 21
ROUNDS, REPEATS = 20, 5
CHANNELS, CHUNK, WARM_UP = 38, 1000, 100_000


def main() -> None:
    """Reads the command line, measures and writes the claims."""
    parser = argparse.ArgumentParser(description="Latency of a forest, speed and memory of a stream.")
    parser.add_argument("--out", type=Path, default=Path("runs/device"))
    parser.add_argument("--samples", type=int, default=10_000_000, help="pushed into each stream")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    machine, samples = describe_machine(), dict[str, Any]()
    found = [*forest_claims(arguments.out, samples), *stream_claims(arguments.out, arguments.samples)]
    command = f"python -m penjing.pipeline.experiments.device --to {arguments.to}"
    claims = [{**_targeted(claim), "command": command} for claim in found]
    write_json(arguments.to, {"claims": claims, "machine": to_plain(machine), "samples_ms": samples})


def forest_claims(out: Path, samples: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Times one sample through 100 trees of 256 rows in three ways, interleaved; fills `samples` with milliseconds."""
    rows = np.random.default_rng(0).normal(size=(FOREST_ROWS, 1, FOREST_CHANNELS))
    calls = forest_calls(rows, out)
    blocks = interleave(list(calls.values()), rounds=ROUNDS, repeats=REPEATS, seed=1, title="forest")
    times = dict(zip(calls, blocks, strict=True))
    samples.update({name: block.round(6).tolist() for name, block in times.items()})
    yield make_claim("device.forest.ms", float(np.median(times["ours"])), "ms", None, times["ours"].size)
    for name, block in times.items():
        if name != "ours":
            yield ratio_claim(f"device.forest.{name}", block, times["ours"])


def forest_calls(rows: NDArray[np.float64], out: Path) -> dict[str, Callable[[int], Any]]:
    """Our file, scikit-learn's own scores, and skl2onnx's file where that is installed, on one sample."""
    from sklearn.ensemble import IsolationForest

    out.mkdir(parents=True, exist_ok=True)
    path = out / "forest.onnx"
    write_module(fit_isolation_forest(rows), path, opset=18, window=1, channels=FOREST_CHANNELS)
    engine, sample = open_engine(path, "onnx"), rows[:1].astype(np.float32)
    flat = rows[:, 0]
    fitted = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(flat)
    calls: dict[str, Callable[[int], Any]] = {
        "ours": lambda i: engine.run({"samples": sample}),
        "sklearn": lambda i: fitted.score_samples(flat[:1]),
    }
    try:
        from skl2onnx import to_onnx
    except ImportError:
        print("skl2onnx is not installed, so it is not compared: uv pip install skl2onnx")
        return calls
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = to_onnx(fitted, flat[:1].astype(np.float32), target_opset={"": 18, "ai.onnx.ml": 3})
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    calls["skl2onnx"] = lambda i: session.run(None, {"X": sample[:, 0]})
    return calls


def stream_claims(out: Path, count: int) -> Iterator[dict[str, Any]]:
    """Pushes `count` samples of 38 channels, a thousand at a time, and looks at the clock and at the memory."""
    for kind in ("mahalanobis", "pca"):
        rate, growth = push(stream_detector(out / kind, kind), count)
        yield make_claim(f"device.stream.{kind}.rate", rate, "samples/s", None, count)
        yield make_claim(f"device.stream.{kind}.growth", growth, "MB", None, count)


def stream_detector(out: Path, kind: str) -> Detector:
    """A detector of 38 channels through the line, its fp32 ONNX file opened."""
    out.mkdir(parents=True, exist_ok=True)
    rows = np.random.default_rng(0).normal(size=(4000, CHANNELS))
    np.savez(out / "series.npz", X=rows, y=np.arange(4000) % 100 == 0)
    recipe = check_recipe({
        "name": f"stream-{kind}", "task": {"kind": "anomaly-detection"}, "detector": {"kind": kind},
        "data": {"train": f"{out / 'series.npz'}::X", "label": "y"}, "export": {"formats": ["onnx"]},
        "quantize": {"precisions": ["fp32"]}, "limits": {"flips": 1},
    }, "device")  # fmt: skip
    assert isinstance(recipe, DetectorRecipe)
    space = Workspace(out)
    with space.locked():
        bundle = ship_detector(recipe, space, make_detector(recipe, space))
    return load_detector(bundle)


def push(detector: Detector, count: int) -> tuple[float, float]:
    """Samples a second, of the median chunk, and megabytes that the process grew by after the warm-up, at most."""
    stream, process = detector.stream(), psutil.Process()
    rows = np.random.default_rng(1).normal(size=(50 * CHUNK, CHANNELS)).astype(np.float32)
    seconds, base, peak = np.zeros(-(-count // CHUNK)), 0, 0
    for start in tqdm(range(0, count, CHUNK), detector.bundle.manifest.name, unit_scale=CHUNK, disable=None):
        place = start % len(rows)
        began = time.perf_counter()
        stream.push(rows[place : place + CHUNK])
        seconds[start // CHUNK] = time.perf_counter() - began
        if start == WARM_UP:
            base = peak = process.memory_info().rss
        peak = max(peak, process.memory_info().rss) if start % (10 * CHUNK) == 0 and base else peak
    return CHUNK / float(np.median(seconds)), (peak - base) / 1e6


def ratio_claim(name: str, slow: Blocks, fast: Blocks) -> dict[str, Any]:
    """How many times as long `slow` takes as `fast`, of one interleaved run."""
    low, high = ratio_interval(slow, fast)
    value = float(np.median(slow) / np.median(fast))
    return make_claim(name, value, "x", (min(low, value), max(high, value)), fast.size)


def _targeted(claim: dict[str, Any]) -> dict[str, Any]:
    target = TARGETS.get(claim["id"].removeprefix("device."))
    return claim if target is None else against(claim, target, WHY)


if __name__ == "__main__":
    main()
