"""`penjing bench` on several targets, in its modes, and what it says of targets that fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import penjing_command, refusal
from tiny_bundle import edit_manifest

from penjing.benchmarks.results import Run

QUICK = ("--length", "8", "--threads", "1")


@pytest.fixture
def one_file(own_bundle: Path) -> str:
    files = json.loads((own_bundle / "manifest.json").read_text())["files"]
    kept = {k: v for k, v in files.items() if v["format"] not in ("onnx", "tflite") or k == "model.int8.onnx"}
    edit_manifest(own_bundle, files=kept)
    return str(own_bundle)


def test_a_target_that_fails_keeps_what_the_others_measured(
    one_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    devices, out = tmp_path / "targets.yaml", tmp_path / "bench.json"
    devices.write_text("desk: local\ngone: ssh://127.0.0.1:1\n", encoding="utf-8")
    arguments = ("--targets", str(devices), "--mode", "sustained", "--seconds", "3", "--json", str(out))
    assert penjing_command("bench", one_file, *QUICK, *arguments) == 2
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert "penjing: gone: " in printed.err and "1 of 2 targets were not measured: gone" in last
    run = Run.from_json(json.loads((tmp_path / "bench.desk.json").read_text()))
    assert {m.condition.mode for m in run.measurements} == {"sustained"}
    assert "rank 1 in the first minute, 1 in the last" in printed.err
    assert not (tmp_path / "bench.gone.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "pi9"), "no target 'pi9'"),
        (("--target", "usb://1"), "no target 'usb://1'"),
        (("--target", "qemu:z80"), "no emulated core 'z80'"),
        (("--cores", "0,x"), "give numbers with commas"),
        (("--cores", "99"), "cores \\[99\\]"),
        (("--mode", "slow"), "burst"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    arguments: tuple[str, ...], words: str, one_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(words, refusal(capsys, "bench", one_file, *QUICK, *arguments))


def test_setup_of_what_needs_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "needs no setup" in refusal(capsys, "target", "setup", "ssh://pi")
