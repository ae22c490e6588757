"""Memory and time by the stages of a start: in real fresh processes, and the arithmetic on figures made up."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penjing.benchmarks.memory import memory_now
from penjing.benchmarks.memory_use import (
    CAUSES,
    PHASES,
    STAGES,
    ColdSplit,
    MemoryStage,
    MemoryUse,
    measure_cold_split,
    measure_memory,
    memory_parts,
)
from penjing.benchmarks.plain import from_plain, to_plain
from penjing.benchmarks.plan import Plan, Subject
from penjing.runtime.errors import BundleError, EngineError
from penjing.runtime.manifest import BundleFile, InputSpec, Manifest, write_manifest
from penjing.runtime.policy import AlarmPolicy
from penjing.runtime.samples import SampleFormat

linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system has no smaps_rollup")
HIDDEN = 1 << 16
FEATURES = ("speed", "load", "heat", "noise")


@pytest.fixture(scope="module")
def uses(small: Path, large: Path, texts: tuple[str, ...]) -> Sequence[MemoryUse]:
    return measure_memory([Subject("small", small), Subject("large", large)], Plan(texts=texts, threads=(1,)), 2)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> MemoryUse:
    """A detector in LiteRT: no text, no tokenizer, and the model is mapped."""
    folder = tmp_path_factory.mktemp("detector")
    write_detector(folder)
    samples = np.zeros((3, 1, len(FEATURES)), np.float32)
    (use,) = measure_memory([Subject("detector", folder)], Plan(samples=samples, threads=(1,)), 1)
    return use


def write_detector(folder: Path) -> None:
    """Two dense layers with HIDDEN units between them, more than a megabyte of weights."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    content = dense_layers((len(FEATURES), HIDDEN, 1))
    (folder / "model.tflite").write_bytes(content)
    file = BundleFile(hashlib.sha256(content).hexdigest(), len(content), "tflite", "fp32")
    form = SampleFormat(FEATURES, (0.0,) * len(FEATURES), "series", "hold", largest_gap=2, period_seconds=1.0)
    manifest = Manifest(
        name="detector", task="anomaly-detection", labels=(),
        inputs=(InputSpec("samples", "float32", ("batch", 1, len(FEATURES))),), sequence_lengths=(1,), max_length=1,
        files={"model.tflite": file}, preprocess=form.to_plain(),
        postprocess={"function": "threshold", "thresholds": {}, "policy": to_plain(AlarmPolicy())},
    )  # fmt: skip
    write_manifest(manifest, folder)


def dense_layers(sizes: tuple[int, ...]) -> bytes:
    """A TFLite file that maps `samples` [1, 1, sizes[0]] to `scores` [1, 1, sizes[-1]]."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 5  # the first one that keeps the number of dimensions
    model.operatorCodes, graph.tensors, graph.operators = [code], [], []

    def tensor(name: str, shape: tuple[int, ...], values: Any = None) -> int:
        made, buffer = schema.TensorT(), schema.BufferT()
        made.name, made.shape, made.type = name, np.array(shape, np.int32), schema.TensorType.FLOAT32
        if values is not None:
            buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    random = np.random.default_rng(0)
    last = first = tensor("samples", (1, 1, sizes[0]))
    for i, (taken, given) in enumerate(pairwise(sizes)):
        weights = tensor(f"weights{i}", (given, taken), random.standard_normal((given, taken)))
        bias = tensor(f"bias{i}", (given,), np.zeros(given))
        name = "scores" if i == len(sizes) - 2 else f"hidden{i}"
        operator, options = schema.OperatorT(), schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        operator.opcodeIndex, operator.builtinOptions = 0, options
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.inputs = np.array([last, weights, bias], np.int32)
        last = tensor(name, (1, 1, given))
        operator.outputs = np.array([last], np.int32)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = np.array([first], np.int32), np.array([last], np.int32)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@linux
def test_every_stage_of_every_process_is_told(uses: Sequence[MemoryUse]) -> None:
    assert [use.subject for use in uses] == ["small", "large"]
    for use in uses:
        assert (use.threads, use.rounds, len(use.samples)) == (1, 2, 2)
        for stages in (use.stages, *use.samples):
            assert tuple(stage.name for stage in stages) == STAGES
            peaks = [stage.peak_mb for stage in stages if stage.peak_mb is not None]
            assert len(peaks) == len(STAGES)
            assert peaks == sorted(peaks)


@linux
def test_private_dirty_and_mapped_pages_make_up_the_resident_set(uses: Sequence[MemoryUse]) -> None:
    for stage in uses[0].stages:
        assert stage.rss_mb is not None
        assert stage.private_dirty_mb is not None
        assert stage.mapped_file_mb is not None
        assert stage.private_dirty_mb + stage.mapped_file_mb == pytest.approx(stage.rss_mb, rel=0.05)
        assert stage.pss_mb is not None
        assert stage.pss_mb <= stage.rss_mb


@linux
def test_a_larger_model_shows_in_the_model_s_part_and_nowhere_before(uses: Sequence[MemoryUse]) -> None:
    small, large = ({part.cause: part for part in memory_parts(use)} for use in uses)
    assert tuple(small) == tuple(large) == CAUSES
    for cause in CAUSES[:2]:
        assert large[cause].private_dirty_mb == pytest.approx(small[cause].private_dirty_mb, abs=0.5)
    assert large["model"].private_dirty_mb > small["model"].private_dirty_mb + 0.5  # of 0.65 MB of weights


@linux
def test_the_parts_sum_to_the_peak(uses: Sequence[MemoryUse], detector: MemoryUse) -> None:
    for use in (*uses, detector):
        peak, parts = use.stage("peak"), memory_parts(use)
        assert sum(part.private_dirty_mb for part in parts) == pytest.approx(peak.private_dirty_mb)
        assert sum(part.mapped_file_mb for part in parts) == pytest.approx(peak.mapped_file_mb)


@linux
def test_the_spread_is_kept(uses: Sequence[MemoryUse]) -> None:
    spread = uses[0].spread("peak")
    assert spread is not None
    low, high = spread
    middle = uses[0].stage("peak").private_dirty_mb
    assert middle is not None
    assert low <= middle <= high


def test_onnx_runtime_s_profiler_tells_its_arena(uses: Sequence[MemoryUse]) -> None:
    if uses[0].arena_mb is None or uses[1].arena_mb is None:
        pytest.skip("this ONNX Runtime's profiler does not tell it")
    assert 0 < uses[0].arena_mb < uses[1].arena_mb < 100


@linux
def test_a_tflite_model_is_mapped_and_its_tensors_found(detector: MemoryUse) -> None:
    before, after = detector.stage("engine loaded").model_file_mb, detector.stage("peak").model_file_mb
    assert before == 0
    assert after is not None
    assert 1 < after < 2.5  # 1.3 MB of weights, in whole pages
    assert detector.arena_mb is not None
    assert (len(FEATURES) + 1) * 4 / 1e6 <= detector.arena_mb < 2


def test_it_goes_to_json_and_back(uses: Sequence[MemoryUse]) -> None:
    for use in uses:
        assert from_plain(MemoryUse, json.loads(json.dumps(to_plain(use), allow_nan=False))) == use


@linux
def test_every_phase_of_a_cold_start_is_told(small: Path, texts: tuple[str, ...]) -> None:
    (split,) = measure_cold_split([Subject("small", small)], Plan(texts=texts, threads=(1,)), 2)
    assert tuple(split.samples) == PHASES
    assert all(len(times) == 2 and min(times) > 0 for times in split.samples.values())
    assert split.totals == pytest.approx([sum(times[i] for times in split.samples.values()) for i in range(2)])
    assert from_plain(ColdSplit, json.loads(json.dumps(to_plain(split)))) == split


def test_a_stage_imports_no_more_than_it_says() -> None:
    code = """
import sys
from penjing.benchmarks.memory_child import stages
walk = stages({"takes": "text", "engine": "onnx"})
assert next(walk) == "baseline"
assert {"numpy", "tokenizers"} <= set(sys.modules) and not {"onnxruntime", "ai_edge_litert"} & set(sys.modules)
assert next(walk) == "engine loaded"
assert "onnxruntime" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_child_that_times_a_start_never_looks_at_its_memory(small: Path) -> None:
    job = {"kind": "start", "folder": str(small), "file": "model.onnx", "engine": "onnx", "precision": "fp32"}
    said = child({**job, "threads": 1, "takes": "text", "questions": ["a good film"]})
    assert said["memory"] == {}
    assert tuple(said["times"]) == STAGES


def child(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "penjing.benchmarks.memory_child"]
    done = subprocess.run(
        command, input=json.dumps(job), capture_output=True, text=True, check=True, env=os.environ, timeout=100
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_a_process_that_cannot_answer_says_why(small: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(small, tmp_path / "broken"))
    content = (broken / "tokenizer.json").read_bytes()
    (broken / "tokenizer.json").write_bytes(content.replace(b"good", b"evil"))
    with pytest.raises(EngineError, match=r"small gave no answer \(.*hash differs.*penjing doctor"):
        measure_memory([Subject("small", broken)], Plan(texts=("good film",)), 1)


def test_nothing_to_measure_is_told(small: Path) -> None:
    with pytest.raises(BundleError, match="0 subjects in 3 rounds"):
        measure_memory([], Plan(texts=("good film",)), 3)
    with pytest.raises(BundleError, match="1 subjects in 0 rounds"):
        measure_cold_split([Subject("small", small)], Plan(texts=("good film",)), 0)


def test_the_kernel_s_figures_are_read_as_they_are_written(tmp_path: Path) -> None:
    model = tmp_path.resolve() / "model.tflite"
    (tmp_path / "smaps_rollup").write_text(
        "55e5-7fff ---p 00000000 00:00 0 [rollup]\n"
        "Rss: 9000 kB\nPss: 5000 kB\nPrivate_Dirty: 2500 kB\nAnonymous: 3000 kB\nTHPeligible: 0\n"
    )
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t 10000 kB\nRssShmem:\t 1000 kB\nThreads:\t1\n")
    (tmp_path / "smaps").write_text(
        f"7f00-7f01 r--s 00000000 fe:00 1 {model}\nRss: 400 kB\nPss: 400 kB\n"
        "7f01-7f02 r-xp 00000000 fe:00 2 /lib/libother.so\nRss: 300 kB\n"
        f"7f02-7f03 r--s 00001000 fe:00 1 {model}\nRss: 100 kB\n"
    )
    kilobyte = 1024 / 1e6
    expected = {"rss_mb": 9000, "pss_mb": 5000, "private_dirty_mb": 2500, "mapped_file_mb": 5000, "peak_mb": 10000}
    found = memory_now(model, tmp_path)
    assert found == pytest.approx(
        {name: value * kilobyte for name, value in {**expected, "model_file_mb": 500}.items()}
    )


def test_a_kernel_without_the_rollup_tells_the_peak_alone(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("VmHWM:\t 10000 kB\n")
    found = memory_now(tmp_path / "model.tflite", tmp_path)
    assert found.pop("peak_mb") == pytest.approx(10.24)
    assert set(found.values()) == {None}
    use = MemoryUse("x", 1, tuple(MemoryStage(name, **found, peak_mb=1.0) for name in STAGES), None, 1)
    assert memory_parts(use) == ()
    assert use.spread("peak") is None
