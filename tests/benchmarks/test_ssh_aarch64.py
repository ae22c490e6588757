"""The SSH target on a board whose logins really are aarch64: sshd on the loopback, programs in an emulated core."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import arm64_board
import pytest
from arm64_board import Arm64Board
from loopback_sshd import LoopbackSshd, loopback_sshd, why_not

from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.remote.address import parse_address
from penjing.benchmarks.remote.connection import CONFIG, connect
from penjing.benchmarks.remote.look import look
from penjing.benchmarks.results import Run
from penjing.benchmarks.targets import measure_on

REASON = why_not() or arm64_board.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm64Board]:
    folder = tmp_path_factory.mktemp("board")
    with arm64_board.arm64_board(folder, {arm64_board.BOARD_HOME: folder / "home"}) as board:
        yield board


@pytest.fixture(scope="module")
def server(board: Arm64Board) -> Iterator[LoopbackSshd]:
    with loopback_sshd(board.folder, lines=[board.force_command]) as server:
        yield server


@pytest.fixture(autouse=True)
def caches(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CONFIG, str(server.client_config))
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))


def test_a_login_is_on_the_board_and_seen_to_be_emulated(server: LoopbackSshd) -> None:
    with connect(parse_address(server.address)) as connection:
        assert connection.run("uname -m; sh -c 'uname -m'; pwd; exit 7").out.split() == [
            "aarch64", "aarch64", arm64_board.BOARD_HOME
        ]  # fmt: skip
        assert connection.run("exit 7").code == 7
        board = look(connection)
    assert (board.machine, board.work) == ("aarch64", f"{arm64_board.BOARD_HOME}/.cache/penjing")
    assert "asimd" in board.features and "asimddp" not in board.features
    assert board.emulated == "its processor calls itself 'emulated Cortex-A72'"
    assert board.pythons[0].architecture == "aarch64"


def test_a_bundle_is_measured_there_and_never_taken_for_a_device(
    server: LoopbackSshd, small: Path, texts: tuple[str, ...]
) -> None:
    plan = Plan(texts, lengths=(4,), threads=(1,), rounds=3, repeats=2, mode="sustained", seconds=0.1)
    run = measure_on(server.address, [Subject("small", small)], plan)
    assert run.partial is None
    assert (run.machine.architecture, run.machine.virtual) == ("aarch64", True)
    assert run.machine.cpu.startswith("emulated ")
    assert "onnxruntime" in run.machine.packages
    assert [m.subject for m in run.measurements] == ["small"]
    assert Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False))) == run
    assert list((server.home / ".cache/penjing/bundles").glob("*/model.onnx"))
