"""Timing model files on a board: a real OpenSSH server on the loopback, well and badly behaved.

A board misbehaves through a `python3` of its own that does something else when our far side is started.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from loopback_sshd import SYSTEM_PATH, LoopbackSshd, loopback_sshd, why_not

from penjing.benchmarks.file_times import TimedFile
from penjing.benchmarks.processor import describe_processor
from penjing.benchmarks.remote.board_times import describe_board, time_on_board
from penjing.benchmarks.remote.connection import CONFIG
from penjing.runtime.errors import EngineError, TargetError

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
PYTHON = sys.executable
FINDING = """printf '%%s\\n' 'penjing-finding {"finding": %s}'"""
TIME = """{"name": "small.onnx", "length": 4, "round": 0, "ms": %s}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "bin").mkdir()
    with loopback_sshd(folder, f"{folder / 'bin'}:{SYSTEM_PATH}") as server:
        yield server


@pytest.fixture(autouse=True)
def settings(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG, str(server.client_config))
    behave(server)


def behave(server: LoopbackSshd, instead: str = "") -> None:
    """What the board's Python does when the far side is started: as it should, or a line of shell instead."""
    fault = f'case "$*" in *benchmarks.far_times*) {instead}; exit 0 ;; esac\n' if instead else ""
    program(server, "python3", f'{fault}exec {PYTHON} "$@"')


def program(server: LoopbackSshd, name: str, text: str) -> Path:
    path = server.folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def files(small: Path) -> list[TimedFile]:
    return [TimedFile("small.onnx", small / "model.onnx", "onnx", (4, 8))]


def test_a_board_is_described_with_both_engines(server: LoopbackSshd) -> None:
    machine = describe_board(server.address)
    assert machine.cpu == describe_processor().name
    assert machine.packages == {name: version(name) for name in ("onnxruntime", "ai-edge-litert")}


def test_files_are_timed_there_and_copied_once(server: LoopbackSshd, files: list[TimedFile]) -> None:
    found = [time for times in time_on_board(server.address, files, 2, {("small.onnx", 4, 0)}) for time in times]
    assert [(time.length, time.round) for time in found] == [(8, 0), (4, 1), (8, 1)]
    assert all(time.name == "small.onnx" and time.ms > 0 for time in found)
    (copied,) = (server.home / ".cache/penjing/models").rglob("small.onnx")
    before = copied.stat().st_mtime_ns
    assert len(list(time_on_board(server.address, files, 1))) == 1
    assert copied.stat().st_mtime_ns == before


def test_when_all_is_done_nobody_logs_in(server: LoopbackSshd, files: list[TimedFile]) -> None:
    logins = server.log.count("Accepted")
    assert not list(time_on_board(server.address, files, 1, {("small.onnx", 4, 0), ("small.onnx", 8, 0)}))
    assert server.log.count("Accepted") == logins


def test_a_file_that_the_board_s_engine_refuses_is_its_error(server: LoopbackSshd, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"^on 127\.0\.0\.1: .*bad\.onnx"):
        list(time_on_board(server.address, [TimedFile("bad.onnx", tmp_path / "bad.onnx", "onnx", (4,))], 1))


@pytest.mark.parametrize(
    "said",
    [
        "[3]", "7", "[{}]", f"[{TIME % -1.5}]", f"[{TIME % 'null'}]", f"[{TIME % 'Infinity'}]",
        f"[{(TIME % 1.5).replace('small', 'other')}]", f"[{(TIME % 1.5).replace('4', '5')}]",
    ],
)  # fmt: skip
def test_what_is_no_time_that_was_asked_for_is_refused(server: LoopbackSshd, files: list[TimedFile], said: str) -> None:
    behave(server, FINDING % said)
    with pytest.raises(TargetError, match=r"127\.0\.0\.1 sent no time that was asked for") as caught:
        list(time_on_board(server.address, files, 1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ['{"end": true}', '{"machine": 3}', '{"machine": {"cpu": "x"}}'])
def test_what_is_no_machine_is_refused(server: LoopbackSshd, said: str) -> None:
    behave(server, f"""echo 'penjing-finding {said}'; echo 'penjing-finding {{"end": true}}'""")
    with pytest.raises(TargetError, match=r"127\.0\.0\.1 described no machine"):
        describe_board(server.address)


def test_an_emulated_board_has_no_times(server: LoopbackSshd, files: list[TimedFile]) -> None:
    grep = program(server, "grep", "echo 'Model : emulated Cortex-A72'")
    try:
        for attempt in (lambda: describe_board(server.address), lambda: list(time_on_board(server.address, files, 1))):
            with pytest.raises(TargetError, match=r"is emulated .*Cortex-A72.*count instructions with qemu:CPU"):
                attempt()
    finally:
        grep.unlink()


def test_addresses_that_make_no_sense_are_refused(files: list[TimedFile]) -> None:
    wanted = [replace(files[0], lengths=(4,))]
    with pytest.raises(TargetError, match="no SSH address 'ssh://-v'"):
        list(time_on_board("ssh://-v", wanted, 1))
