"""What surrounds the boot of a whole emulated machine, which takes too long for a test and is run by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from penjing.benchmarks import emulated_machine
from penjing.benchmarks.arm64.boards import BOARDS
from penjing.benchmarks.emulated_machine import FileCount, golden_feed, main
from penjing.benchmarks.machine_boot import EXIT, boot, find_engine, machine_files, read_console
from penjing.benchmarks.native_runner import RunnerJob
from penjing.runtime.bundle import open_bundle
from penjing.runtime.engine import open_engine
from penjing.runtime.errors import TargetError

ANSWER = {
    "engine": "1.0", "began": 1e9, "engine_ms": 1.0, "threads": 1, "count": 0, "clock_ns": 64, "memory": [],
    "models": [
        {"model": "model.onnx", "load_ms": 1.0, "first_ms": 1.0, "settled": True, "warm_up": 12, "starts_ms": [1.0],
         "samples_ms": [[0.101664, 0.1]], "output_names": ["y"], "outputs": [[1.0]]},
    ],
    "sensors": [],
}  # fmt: skip


def test_what_the_console_showed_becomes_an_answer() -> None:
    console = f"\r\n[    0.0] hello\r\n{json.dumps(ANSWER, separators=(',', ':'))}\r\n{EXIT}0\r\n"
    assert read_console(console, "").models[0].samples_ms == ((0.101664, 0.1),)


@pytest.mark.parametrize(
    ("console", "message"),
    [
        ("Kernel panic - not syncing: no init\r\n", r"did not get to the end \(Kernel panic - not syncing: no init\)"),
        ("", "did not get to the end .*it said nothing"),
        (f"penjing_runner: no file x\r\n{EXIT}2\r\n", "on the emulated machine: no file x"),
        (f"Illegal instruction\r\n{EXIT}132\r\n", "on the emulated machine: the core has not the instructions"),
        (f"hello\r\n{EXIT}0\r\n", "printed no answer"),
    ],
)
def test_a_machine_that_stops_early_is_one_line(console: str, message: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        read_console(console, "")
    assert "\n" not in str(caught.value)


def test_counts_are_compared_with_the_plugin_s() -> None:
    count = FileCount("model.onnx", ((100, 102, 104), (101, 103, 105)), 100.0, 0.0)
    assert (count.median, count.spread) == (102.5, 1 / 102.5)
    assert count.off_plugin == pytest.approx(0.025)


def test_the_longest_golden_is_fed_and_answered_as_it_says(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    feed, answers = golden_feed(bundle, ["model.onnx", "model.int8.onnx"])
    assert {array.shape for array in feed.values()} == {(1, bundle.manifest.max_length)}
    for name, answer in answers.items():
        outputs = open_engine(tiny_bundle / name, "onnx").run(feed)
        np.testing.assert_allclose(outputs["logits"][0], answer, atol=1e-4)


def test_the_machine_holds_what_the_runner_needs(tmp_path: Path) -> None:
    for name in ("opt/site/onnxruntime/capi/libonnxruntime.so.1.2", "lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "lib/ld-linux-aarch64.so.1").symlink_to("aarch64-linux-gnu/ld-linux-aarch64.so.1")
    files = machine_files(tmp_path, tmp_path / "feeds", {"model.onnx": tmp_path / "m"}, RunnerJob(rounds=2))
    assert files["lib/ld-linux-aarch64.so.1"] == "aarch64-linux-gnu/ld-linux-aarch64.so.1"
    assert files["job/engine"] == find_engine(tmp_path)
    assert b"/job/runner --threads 1 --rounds 2 --repeats 1 --seed 1 --feeds /job/feeds /job/model.onnx\n" in bytes(
        files["init"]  # type: ignore[arg-type]
    )


def test_what_is_missing_is_one_line(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))
    assert main(["--bundle", str(tmp_path / "none")]) == 1
    assert main(["--bundle", str(small), "--core", "z80"]) == 1
    assert main(["--bundle", str(small)]) == 1
    assert main(["--bundle", str(small), "--to", str(tmp_path / "none/x.json")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert "its folder is not there" in said[3]
    assert "no emulated core 'z80'" in said[1]
    assert "run `penjing target setup qemu`" in said[2]
    with pytest.raises(TargetError, match="no ONNX Runtime: run `penjing target setup qemu`"):
        find_engine(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="run `sudo apt-get install qemu-system-arm` and try again"):
        boot(tmp_path, BOARDS["cortex-a72"], tmp_path, tmp_path, {}, RunnerJob())


def test_a_report_says_instructions_and_never_milliseconds(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = read_console(f"{json.dumps(ANSWER, separators=(',', ':'))}\n{EXIT}0", "")
    count = FileCount("model.onnx", ((101664, 100000),), 104400.0, 0.0)
    monkeypatch.setattr(emulated_machine, "MACHINE", "true")
    report = emulated_machine._report(
        open_bundle(tiny_bundle), BOARDS["cortex-a72"], tmp_path / "vmlinuz-6.1", answer, [count]
    )
    assert not re.search(r"\bms\b|_ms\b|milli", json.dumps(report))
    assert report["kernel"] == "6.1"
    assert [claim["id"] for claim in report["claims"]] == [
        "machine.model.onnx.instructions", "machine.model.onnx.off_plugin"
    ]  # fmt: skip
