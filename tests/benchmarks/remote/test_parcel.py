"""What is copied to a board, only once, and what is said when it does not fit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_sshd import LoopbackSshd, loopback_sshd, python_path, why_not

from penjing.benchmarks.plan import Subject
from penjing.benchmarks.remote.address import parse_address
from penjing.benchmarks.remote.connection import CONFIG, Connection, connect
from penjing.benchmarks.remote.look import Board, look
from penjing.benchmarks.remote.parcel import bundle_parcel, code_parcel, send, send_bundles, send_code
from penjing.runtime.bundle import open_bundle
from penjing.runtime.errors import BundleError, TargetError
from penjing.runtime.manifest import read_manifest, write_manifest

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
PYTHON = sys.executable
NAMESPACES = (
    shutil.which("unshare") is not None and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    with loopback_sshd(tmp_path_factory.mktemp("sshd"), python_path()) as server:
        yield server


@pytest.fixture
def board(connection: Connection) -> Board:
    return look(connection)


@pytest.fixture
def three(small: Path, tmp_path: Path) -> Path:
    """The small bundle with its model in three files."""
    folder = Path(shutil.copytree(small, tmp_path / "three"))
    manifest = read_manifest(folder)
    files = dict(manifest.files)
    for name, format, precision in (("model.int8.onnx", "onnx", "int8"), ("model.tflite", "tflite", "fp32")):
        shutil.copy(folder / "model.onnx", folder / name)
        files[name] = replace(files["model.onnx"], format=format, precision=precision)
    write_manifest(replace(manifest, files=files), folder)
    return folder


def test_a_bundle_goes_with_the_measured_files_alone(connection: Connection, board: Board, three: Path) -> None:
    subjects = [Subject("a", three, "onnx", "int8"), Subject("b", three, "onnx", "fp32")]
    there = send_bundles(connection, board, PYTHON, subjects)
    assert {subject.folder for subject in there} == {there[0].folder}
    arrived = open_bundle(there[0].folder)
    assert set(arrived.model_files) == {"model.onnx", "model.int8.onnx"}
    assert all(arrived.verified(name) for name in arrived.manifest.files)
    whole = open_bundle(three).manifest
    assert arrived.manifest.labels == whole.labels
    assert set(whole.files) - set(arrived.manifest.files) == {"model.tflite"}


def test_only_what_is_missing_or_changed_is_copied(connection: Connection, board: Board, small: Path) -> None:
    folder = send_bundles(connection, board, PYTHON, [Subject("a", small)])[0].folder
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "model.onnx").write_bytes(b"spoiled")
    (folder / "tokenizer.json").unlink()
    assert send_bundles(connection, board, PYTHON, [Subject("a", small)])[0].folder == folder
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"model.onnx", "tokenizer.json"}
    assert all((folder / name).read_bytes() == (small / name).read_bytes() for name in ("model.onnx", "tokenizer.json"))


def test_our_code_arrives_as_a_package_that_runs_there(connection: Connection, board: Board) -> None:
    folder = send_code(connection, board, PYTHON)
    code = "import penjing, penjing.benchmarks.far_side as far; print(far.__file__)"
    answer = connection.run(f"env PYTHONPATH={folder} {PYTHON} -c '{code}'")
    assert answer.out.strip() == f"{folder}/penjing/benchmarks/far_side.py"
    names = [file.path for file in code_parcel()]
    assert "penjing/__init__.py" in names
    assert not any(name.startswith(("penjing/pipeline", "penjing/compress", "penjing/export")) for name in names)


def test_a_bundle_that_changed_here_is_not_sent(three: Path) -> None:
    path = three / "model.onnx"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(BundleError, match="its hash differs"):
        bundle_parcel(three, ["model.onnx"])


@pytest.mark.skipif(not NAMESPACES, reason="a file system of its own needs the right to mount")
def test_a_full_disk_is_said_before_and_while_it_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path, large: Path
) -> None:
    mount = f'mount -t tmpfs -o size=300k none "{tmp_path / "home"}" && exec "$@"'
    with loopback_sshd(tmp_path, python_path(), wrapped=["unshare", "-m", "sh", "-c", mount, "sh"]) as server:
        monkeypatch.setenv(CONFIG, str(server.client_config))
        with connect(parse_address(server.address)) as connection:
            board = look(connection)
            assert board.free_mb is not None and board.free_mb < 0.31
            with pytest.raises(
                TargetError, match=r"disk of 127\.0\.0\.1 is full \(0\.7 MB to copy, 0\.3 MB free\): free"
            ):
                send_bundles(connection, board, PYTHON, [Subject("a", large)])
            blind = Board(board.machine, board.work, None, None, (), (), None)
            with pytest.raises(TargetError, match=r"disk of 127\.0\.0\.1 is full: free space there"):
                send_bundles(connection, blind, PYTHON, [Subject("a", large)])
            listing = connection.run(f"find {board.work}/bundles -name '*.part'")
            assert (listing.code, listing.out) == (0, "")
            assert send(connection, board, PYTHON, "bundles", bundle_parcel(small, ["model.onnx"]))
