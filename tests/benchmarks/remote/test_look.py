"""What a look at a board finds, on a real login and from what other boards print."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_sshd import LoopbackSshd, loopback_sshd, python_path, why_not

from penjing.benchmarks.remote.address import parse_address
from penjing.benchmarks.remote.connection import CONFIG, connect
from penjing.benchmarks.remote.look import Board, check_features, emulation, look
from penjing.runtime.errors import TargetError

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def look_at(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setenv(CONFIG, str(server.client_config))
    with connect(parse_address(server.address)) as connection:
        return look(connection)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    with loopback_sshd(tmp_path_factory.mktemp("sshd"), python_path()) as server:
        yield server


def test_a_look_finds_machine_room_features_and_pythons(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> None:
    (server.home / ".cache/penjing/wheels").mkdir(parents=True)
    (server.home / ".bashrc").write_text("echo 'Last login: today'; printf 'no line end'\n")
    board = look_at(server, monkeypatch)
    assert (board.machine, board.emulated) == (platform.machine(), None)
    assert board.work == f"{server.home}/.cache/penjing"
    assert board.wheels == f"{board.work}/wheels"
    assert board.free_mb is not None and board.free_mb > 1
    assert "fpu" in board.features or "asimd" in board.features or sys.platform == "darwin"
    found = board.pythons[0]
    assert Path(found.path).parent == Path(sys.executable).parent
    assert found.version == sys.version_info[:3]
    assert found.architecture == platform.machine()
    assert {"numpy", "tokenizers", "onnxruntime", "psutil", "tqdm"} <= set(found.packages)
    assert len({os.path.realpath(python.path) for python in board.pythons}) == len(board.pythons)


def test_our_environment_comes_first_even_if_it_links_to_another(
    server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = server.home / ".cache/penjing/venv"
    environment.parent.mkdir(parents=True, exist_ok=True)
    environment.symlink_to(Path(sys.executable).parents[1])
    try:
        board = look_at(server, monkeypatch)
        assert board.pythons[0].path == board.own_python
        assert "numpy" in board.pythons[0].packages
    finally:
        environment.unlink()


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback_sshd(tmp_path) as server:
        (server.home / ".cache").write_text("a file where a folder should be")
        with pytest.raises(
            TargetError, match=r"has no folder to work in, .*\.cache/penjing \(.*\): give the login a home"
        ):
            look_at(server, monkeypatch)


def test_a_login_that_runs_no_shell_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        loopback_sshd(tmp_path, lines=["ForceCommand echo This account is not available"]) as server,
        pytest.raises(TargetError, match=r"no answer we can read \(This account is not available\): see what `ssh -p"),
    ):
        look_at(server, monkeypatch)


@pytest.mark.parametrize(
    ("machine", "processor", "emulated"),
    [
        ("aarch64", ["Features : fp asimd", "Model : Raspberry Pi 5 Model B Rev 1.0"], None),
        ("aarch64", ["Features : fp asimd", "Model : emulated cortex-a72"], "calls itself 'emulated cortex-a72'"),
        ("aarch64", ["vendor_id : GenuineIntel", "flags : sse avx2"], "says aarch64 and shows an x86 processor"),
        ("riscv64", ["vendor_id\t: AuthenticAMD"], "says riscv64"),
        ("x86_64", ["vendor_id : GenuineIntel", "flags : sse avx2"], None),
        ("armv7l", ["Hardware : BCM2711"], None),
    ],
)
def test_an_emulated_processor_gives_itself_away(machine: str, processor: list[str], emulated: str | None) -> None:
    found = emulation(machine, processor)
    assert found is None if emulated is None else found is not None and emulated in found


def test_a_processor_that_no_engine_is_built_for_is_refused_before_anything_runs() -> None:
    with pytest.raises(TargetError, match=r"processor of pi \(armv7l\) lacks neon, which the engines are built for"):
        check_features("pi", "armv7l", ["processor: 0", "Features\t: half thumb fastmult vfp edsp vfpv3 vfpd32"])
    check_features("pi", "armv7l", ["Features\t: half thumb vfp neon vfpv3"])
    check_features("pi", "aarch64", ["flags\t\t: fpu vme sse2"])  # an emulator that shows the machine underneath
    check_features("pi", "riscv64", ["isa\t: rv64imafdc"])
