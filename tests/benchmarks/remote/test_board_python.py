"""Which Python a board measures with, and what is said when it has none that can."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_sshd import LoopbackSshd, loopback_sshd, python_path, why_not

from penjing.benchmarks.plan import SubjectFacts
from penjing.benchmarks.remote.board_python import ensure_python, packages_for
from penjing.benchmarks.remote.connection import Connection
from penjing.benchmarks.remote.look import Board, BoardPython, look
from penjing.runtime.errors import TargetError

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
NEEDED = ("numpy", "onnxruntime")
FULL = {"numpy": "2.0", "onnxruntime": "1.20"}
BOARD = Board("aarch64", "/home/pi/.cache/penjing", 900.0, None, (), ("asimd",), None)


def python(
    path: str, version: tuple[int, ...] = (3, 11, 2), platform: str = "linux-aarch64", **more: str
) -> BoardPython:
    return BoardPython(path, version, platform, more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    index = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}
    with loopback_sshd(tmp_path_factory.mktemp("sshd"), python_path(), index) as server:
        yield server


def test_the_engines_of_the_subjects_are_needed() -> None:
    facts = [SubjectFacts(engine, "b", "f", engine, "fp32", 1) for engine in ("tflite", "onnx", "onnx")]
    assert packages_for(facts)[-2:] == ("ai-edge-litert", "onnxruntime")
    assert "ai-edge-litert" not in packages_for(facts[1:])


def test_the_first_python_that_has_everything_is_taken(connection: Connection) -> None:
    old, bare, full = python("/1", (3, 9, 1), **FULL), python("/2", numpy="2.0"), python("/3", **FULL)
    assert ensure_python(connection, replace(BOARD, pythons=(old, bare, full)), NEEDED) == "/3"


@pytest.mark.parametrize(("pythons", "found"), [((), "none"), ((python("/1", (3, 9, 2)),), "3.9.2")])
def test_a_board_without_a_python_is_told_what_to_install(
    connection: Connection, pythons: tuple[BoardPython, ...], found: str
) -> None:
    with pytest.raises(TargetError, match=rf"no Python 3\.10 or later \(found: {found}\): `sudo apt install python3"):
        ensure_python(connection, replace(BOARD, pythons=pythons), NEEDED)


def test_an_engine_that_is_not_published_for_the_board_is_refused_at_once(connection: Connection) -> None:
    board = replace(BOARD, pythons=(python("/1", platform="linux-armv7l"),))
    with pytest.raises(TargetError, match="runs armv7l programs, and onnxruntime is published for x86_64, aarch64"):
        ensure_python(connection, board, NEEDED)
    assert ensure_python(connection, replace(BOARD, pythons=(python("/1", platform="linux-armv7l", **FULL),)), NEEDED)


def test_a_python_that_cannot_make_an_environment_is_said(connection: Connection, tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'ensurepip is not available. On Debian systems, install python3-venv'\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(TargetError, match="cannot make an environment: `sudo apt install python3-venv` there"):
        ensure_python(connection, replace(BOARD, pythons=(python(str(broken)),)), NEEDED)


def test_a_board_without_network_is_told_how_to_copy_wheels_and_keeps_the_environment(connection: Connection) -> None:
    board = look(connection)
    bare = replace(board, pythons=tuple(replace(found, packages={}) for found in board.pythons[:1]))
    with pytest.raises(TargetError) as caught:
        ensure_python(connection, bare, ("penjing-needs-this", "and-this"))
    message = str(caught.value)
    assert "lacks penjing-needs-this, and-this and cannot download them: on this machine `pip download" in message
    assert f"then `scp -r -P {connection.address.port} wheels 127.0.0.1:{board.work}/`, and run again" in message
    assert look(connection).pythons[0].path == board.own_python


def test_copied_wheels_are_installed_without_a_network(connection: Connection, server: LoopbackSshd) -> None:
    wheels = server.home / ".cache/penjing/wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    write_wheel(wheels, "penjing_needs_this")
    board = look(connection)
    bare = replace(board, pythons=tuple(replace(found, packages={}) for found in board.pythons[:1]))
    found = ensure_python(connection, bare, ("penjing-needs-this",))
    assert found == board.own_python
    assert connection.run(f"{found} -c 'import penjing_needs_this'").code == 0


def write_wheel(folder: Path, name: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        info = f"{name}-1.0.dist-info"
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
