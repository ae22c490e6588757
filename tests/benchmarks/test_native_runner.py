"""The native runner, built and run for real on this machine; cross-compiled where there is a cross compiler."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penjing.benchmarks.native_runner import (
    SOURCES,
    NativeAnswer,
    RunnerJob,
    build_runner,
    find_header,
    parse_answer,
    refusal,
    run_runner,
    write_feeds,
)  # fmt: skip
from penjing.benchmarks.warm_up import last_change
from penjing.runtime import load
from penjing.runtime.errors import TargetError

CROSS = "aarch64-linux-gnu-gcc"
LIBRARIES = [
    path
    for folder in importlib.util.find_spec("onnxruntime").submodule_search_locations or ()  # type: ignore[union-attr]
    for path in Path(folder).glob("capi/libonnxruntime.so*")
]
Run = Callable[..., NativeAnswer]


def missing() -> str | None:
    """Why the runner cannot be built or run here."""
    try:
        find_header()
    except TargetError as error:
        return str(error)
    return "no gcc" if not shutil.which("gcc") else None if LIBRARIES else "no libonnxruntime.so in the wheel"


needs_runner = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def feed(ids: list[int]) -> dict[str, NDArray[np.int64]]:
    row = np.array([ids], np.int64)
    return {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}


FEEDS = [feed([2, 4, 6, 3]), feed([2, 7, 9, 8, 4, 6, 3])]


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_runner("gcc", find_header(), tmp_path_factory.mktemp("native") / "penjing_runner")


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    write_feeds(tmp_path / "feeds.bin", FEEDS)
    return tmp_path / "feeds.bin"


@pytest.fixture
def run(runner: Path, feeds: Path) -> Run:
    def run(job: RunnerJob, *bundles: Path) -> NativeAnswer:
        return run_runner(runner, job, [(str(feeds), str(folder / "model.onnx")) for folder in bundles], LIBRARIES[0])

    return run


@needs_runner
def test_it_answers_as_python_does(run: Run, small: Path, large: Path) -> None:
    answer = run(RunnerJob(), small, large)
    for folder, model in zip((small, large), answer.models, strict=True):
        engine = load(folder).engine
        assert model.output_names == ("logits",)
        for values, outputs in zip(FEEDS, model.outputs, strict=True):
            np.testing.assert_allclose(outputs, engine.run(values)["logits"][0], rtol=1e-6)
    assert answer.models[0].samples_ms == ()


@needs_runner
def test_every_model_is_timed_in_every_round(run: Run, small: Path, large: Path) -> None:
    answer = run(RunnerJob(threads=2, rounds=5, repeats=3), small, large, small)
    assert [len(model.samples_ms) for model in answer.models] == [5, 5, 5]
    assert {len(block) for model in answer.models for block in model.samples_ms} == {3}
    assert all(model.warm_up >= 10 or not model.settled for model in answer.models)
    began = sorted((start, m) for m, model in enumerate(answer.models) for start in model.starts_ms)
    orders = [[m for _, m in began[r * 3 : r * 3 + 3]] for r in range(5)]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len(set(map(tuple, orders))) > 1, "the order is drawn anew each round"


@needs_runner
def test_the_order_comes_from_the_seed(run: Run, small: Path, large: Path) -> None:
    def orders(seed: int) -> list[int]:
        models = run(RunnerJob(rounds=12, seed=seed), small, large).models
        return [int(a < b) for a, b in zip(models[0].starts_ms, models[1].starts_ms, strict=True)]

    assert orders(3) == orders(3) != orders(4)


@needs_runner
def test_memory_grows_from_stage_to_stage(run: Run, large: Path) -> None:
    answer = run(RunnerJob(), large)
    stages = ["baseline", "engine loaded", "model loaded", "first inference", "peak"]
    assert list(answer.memory) == stages
    peaks = [answer.memory[stage]["VmHWM"] for stage in stages]
    assert peaks == sorted(peaks)
    assert answer.memory["peak"]["VmHWM"] > 2 * answer.memory["baseline"]["VmHWM"]


@needs_runner
def test_a_paced_call_waits_for_its_tick_and_a_sustained_run_for_its_end(run: Run, small: Path) -> None:
    paced = run(RunnerJob(rounds=4, repeats=2, period_ms=20), small).models[0]
    assert paced.starts_ms[-1] - paced.starts_ms[0] >= 3 * 2 * 20 * 0.9
    sustained = run(RunnerJob(seconds=1, repeats=2), small, small)
    assert sustained.models[0].starts_ms
    assert len(sustained.sensors) >= 2


@needs_runner
def test_sensors_are_read_where_it_is_told(runner: Path, feeds: Path, small: Path, tmp_path: Path) -> None:
    for name, text in (("class/thermal/thermal_zone0/temp", "41500"), ("class/thermal/thermal_zone1/temp", "52250")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    for core, clock in enumerate((1800000, 600000)):
        folder = tmp_path / f"devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(str(clock))
    job = RunnerJob(rounds=2, sys=str(tmp_path), cores=(0,))
    answer = run_runner(runner, job, [(str(feeds), str(small / "model.onnx"))], LIBRARIES[0])
    assert {(r.temperature_c, r.clock_mhz) for r in answer.sensors} == {(52.25, 600.0)}


@needs_runner
def test_counting_gives_the_answer_and_no_times(run: Run, small: Path, large: Path) -> None:
    answer = run(RunnerJob(count=3), small)
    assert (answer.count, answer.models[0].samples_ms) == (3, ())
    np.testing.assert_allclose(answer.models[0].outputs[0], load(small).engine.run(FEEDS[0])["logits"][0], rtol=1e-6)
    with pytest.raises(TargetError, match="takes one MODEL, not 2"):
        run(RunnerJob(count=3), small, large)


@needs_runner
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"input_ids": np.zeros((1, 4), np.int64)}, "lack"),
        ({name: array.astype(np.float32) for name, array in FEEDS[0].items()}, "data type"),
        ({name: array[0] for name, array in FEEDS[0].items()}, "rank"),
        (feed([2, 99, 3]), "out of data bounds"),
    ],
)
def test_a_feed_that_does_not_fit_is_one_line(
    runner: Path, small: Path, tmp_path: Path, values: dict[str, NDArray[Any]], reason: str
) -> None:
    write_feeds(tmp_path / "feeds.bin", [values])
    with pytest.raises(TargetError, match=reason) as error:
        run_runner(runner, RunnerJob(), [(str(tmp_path / "feeds.bin"), str(small / "model.onnx"))], LIBRARIES[0])
    assert "\n" not in str(error.value)


@needs_runner
def test_files_that_are_missing_are_one_line(runner: Path, feeds: Path, small: Path, tmp_path: Path) -> None:
    model, none = str(small / "model.onnx"), str(tmp_path / "none")
    for pair, library, reason in (
        ((none, model), LIBRARIES[0], "none cannot be read: No such file"),
        ((str(feeds), none), LIBRARIES[0], "doesn't exist"),
        ((str(feeds), str(feeds)), LIBRARIES[0], "feeds.bin"),
        ((str(feeds), model), tmp_path / "none", "no ONNX Runtime"),
        ((str(feeds), model), Path("libm.so.6"), "not ONNX Runtime"),
    ):
        with pytest.raises(TargetError, match=reason):
            run_runner(runner, RunnerJob(), [pair], library)


@needs_runner
@pytest.mark.parametrize(
    "words",
    [[], ["--threads", "0"], ["--threads", "x"], ["--rounds"], ["--nonsense", "1"], ["model.onnx"], ["--cores", "0,x"]],
)
def test_a_command_line_that_makes_no_sense_is_one_line(runner: Path, feeds: Path, words: list[str]) -> None:
    more = ["--feeds", str(feeds), "model.onnx"] if words and words[0].startswith("--") and len(words) > 1 else []
    done = subprocess.run([runner, *words, *more], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@needs_runner
def test_feeds_that_are_broken_never_crash_it(runner: Path, feeds: Path, tmp_path: Path) -> None:
    whole, broken, draw = feeds.read_bytes(), tmp_path / "broken.bin", random.Random(1)
    cut = [whole[:n] for n in range(0, len(whole), 7)] + [whole + b"x"]
    changed = [bytearray(whole) for _ in range(100)]
    for content in changed:
        content[draw.randrange(4, 120)] = draw.randrange(256)
    for content in [*cut, *map(bytes, changed)]:
        broken.write_bytes(content)
        done = subprocess.run(
            [runner, "--feeds", broken, "none.onnx"], capture_output=True, text=True, check=False, errors="replace",
            env={"PENJING_ONNXRUNTIME": "/none"},
        )  # fmt: skip
        assert done.returncode == 2, "a changed byte of a name or value is for the engine to refuse"
        assert len(done.stderr.splitlines()) == 1


@needs_runner
def test_the_warm_up_ends_where_python_s_does(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "warm_up.h"\nint main(void) { double t[200]; int n = 0;'
        ' while (n < 200 && scanf("%lf", &t[n]) == 1) n++; printf("%d", last_change(t, n)); return 0; }'
    )
    program = tmp_path / "main"
    subprocess.run(["gcc", "-I", SOURCES, tmp_path / "main.c", "-o", program, "-lm"], check=True)
    draw = np.random.default_rng(0)
    for n in (1, 5, 6, 30, 200):
        for step in (1.0, 1.02, 2.0):
            times = draw.lognormal(10, 0.01, n) * np.where(np.arange(n) < n // 3, step, 1.0)
            said = subprocess.run([program], input=" ".join(map(repr, times.tolist())), capture_output=True, text=True)
            assert int(said.stdout) == last_change(times.tolist())


def test_the_header_of_the_arm64_userland_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "arm64/userland/usr/include/onnxruntime/onnxruntime_c_api.h"
    there.parent.mkdir(parents=True)
    there.touch()
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))
    monkeypatch.delenv("PENJING_ONNXRUNTIME_HEADER", raising=False)
    assert find_header() == there or find_header().is_relative_to("/usr"), "this machine's own comes first"


def test_what_is_missing_for_the_build_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENJING_ONNXRUNTIME_HEADER", str(tmp_path / "none.h"))
    with pytest.raises(TargetError, match="apt install libonnxruntime-dev"):
        find_header()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="apt install gcc-aarch64-linux-gnu"):
        build_runner(CROSS, tmp_path / "none.h", tmp_path / "runner")


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"cannot build the native runner: .*onnxruntime_c_api\.h"):
        build_runner("gcc", tmp_path / "onnxruntime_c_api.h", tmp_path / "out" / "runner")
    assert not list((tmp_path / "out").iterdir())


@needs_runner
@pytest.mark.skipif(not shutil.which(CROSS), reason=f"no {CROSS}")
def test_for_aarch64_it_holds_the_markers_once_each(tmp_path: Path) -> None:
    built = build_runner(CROSS, find_header(), tmp_path / "runner")
    code = subprocess.run([CROSS.replace("gcc", "objdump"), "-d", built], capture_output=True, text=True, check=True)
    assert [code.stdout.count(f"hint\t#0x{marker}") for marker in ("4d", "4e")] == [1, 1]


ANSWER: dict[str, Any] = {
    "engine": "1.0", "began": 1e9, "engine_ms": 1.0, "threads": 1, "count": 0, "clock_ns": 30,
    "models": [
        {"model": "m", "load_ms": 1.0, "first_ms": 1.0, "settled": True, "warm_up": 12, "starts_ms": [1.0, 2.0],
         "samples_ms": [[0.5, 0.5], [0.6, 0.4]], "output_names": ["y"], "outputs": [[1.0, None]]},
    ],
    "memory": [{"stage": "peak", "VmHWM": 10}], "sensors": [{"at_ms": 1.0, "temperature_c": None, "clock_mhz": 5.0}],
}  # fmt: skip


def test_an_answer_is_read_with_its_gaps() -> None:
    answer = parse_answer("WARNING: linker\n" + json.dumps(ANSWER, separators=(",", ":")) + "\n")
    assert np.isnan(answer.models[0].outputs[0][1])
    assert answer.memory == {"peak": {"VmHWM": 10}}
    assert answer.sensors[0].temperature_c is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"starts_ms": [2.0, 1.0]}, "goes back in time"),
        ({"starts_ms": [-2.0, 1.0]}, "goes back in time"),
        ({"samples_ms": [[0.5, -0.5], [0.6, 0.4]]}, "no.* a time above zero"),
        ({"samples_ms": [[0.5, None], [0.6, 0.4]]}, "no.* a time above zero"),
        ({"samples_ms": [[0.5, 0.5]]}, "not as many equal blocks"),
        ({"samples_ms": [[0.5], [0.6, 0.4]]}, "not as many equal blocks"),
        ({"samples_ms": "fast"}, "makes no sense"),
        ({"surprise": 1}, "makes no sense"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(change: dict[str, Any], reason: str) -> None:
    wrong = {**ANSWER, "models": [{**ANSWER["models"][0], **change}]}
    with pytest.raises(TargetError, match=reason):
        parse_answer(json.dumps(wrong, separators=(",", ":")))


@pytest.mark.parametrize("text", ["", "hello\n", "\x00\xff", '{"engine":', '{"engine":"1.0"}', "[]"])
def test_garbage_is_no_answer(text: str) -> None:
    with pytest.raises(TargetError, match="native runner"):
        parse_answer(text)


def test_how_it_ended_is_said_in_one_line() -> None:
    assert "SIGILL" in refusal(132, "") == refusal(-4, "Illegal instruction")
    assert refusal(2, "noise\npenjing_runner: no file x\n") == "no file x"
    assert "code 139: it said nothing" in refusal(139, "")
