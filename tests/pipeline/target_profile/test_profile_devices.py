"""Profiles of a board (a real OpenSSH server on the loopback) and of a phone (`adb_stand_in.py`), each lost once.

All students are one small student under several names: what is fitted means nothing, that it gets there does.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from adb_stand_in import AdbStandIn, Behaviour, Phone, own_adb_server, why_no_phone, write_engine
from loopback_sshd import LoopbackSshd, loopback_sshd, python_path, why_not

from penjing.benchmarks.processor import describe_processor
from penjing.benchmarks.remote.connection import CONFIG
from penjing.benchmarks.remote.ssh_errors import ConnectionLostError
from penjing.benchmarks.targets.adb_client import LostError
from penjing.compress.models.folded import inference_form
from penjing.export.to_onnx import export_onnx
from penjing.pipeline.target_profile import make
from penjing.pipeline.target_profile.files import ModelFile, random_model
from penjing.pipeline.target_profile.make import make_profile, meter_of
from penjing.pipeline.target_profile.profile import Profile, profile_path, read_profile, write_profile
from penjing.pipeline.target_profile.rows import Row, RowFile
from penjing.pipeline.target_profile.shapes import Drawn, measured_students
from penjing.pipeline.target_profile.time_files import ROUNDS
from penjing.runtime.errors import TargetError

STUDENTS = 5


needs_sshd = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
needs_phone = pytest.mark.skipif(why_no_phone() is not None, reason=str(why_no_phone()))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[ModelFile]:
    """Several students' ONNX files."""
    folder = tmp_path_factory.mktemp("exported")
    drawn = measured_students(1)[0]
    small = replace(drawn.config, hidden_size=32, embedding_size=16)
    students = [replace(drawn, name=f"s{i}", config=small, lengths={"onnx": (8, 24)}) for i in range(STUDENTS)]
    files = [ModelFile(student, "onnx", "fp32", folder / f"{student.name}.onnx") for student in students]
    export_onnx(inference_form(random_model(students[0]), students[0].longest), files[0].path, opset=18)
    for file in files[1:]:
        shutil.copy(files[0].path, file.path)
    return files


@pytest.fixture
def students(files: list[ModelFile], monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    """Their files are made already."""
    monkeypatch.setattr(make, "make_files", lambda students, base: files)
    return [file.student for file in files]


def rows_in(folder: Path) -> list[Row]:
    return [row for path in folder.glob("*.jsonl") for row in RowFile(path).read()]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSshd]:
    (tmp_path / "sshd").mkdir()
    with loopback_sshd(tmp_path / "sshd", python_path()) as server:
        monkeypatch.setenv(CONFIG, str(server.client_config))
        yield server


@needs_sshd
def test_a_board_that_is_lost_keeps_its_rows_and_the_next_profile_goes_on(
    server: LoopbackSshd, students: list[Drawn], tmp_path: Path
) -> None:
    folder = tmp_path / "profiles"
    cut = threading.Thread(target=when, args=[lambda: rows_in(folder), server.cut], daemon=True)
    cut.start()
    with pytest.raises(ConnectionLostError, match=r"127\.0\.0\.1 was lost.*run again"):
        make_profile(server.address, students, folder)
    cut.join()
    first = rows_in(folder)
    assert 0 < len(first) < STUDENTS * 2 * ROUNDS
    profile = make_profile(server.address, students, folder)
    rows = rows_in(folder)
    assert rows[: len(first)] == first and len(rows) == len(set(rows)) == STUDENTS * 2 * ROUNDS
    assert (profile.unit, profile.device) == ("ms", describe_processor().name)
    assert set(profile.versions) == {"onnxruntime", "ai-edge-litert"}
    assert list(profile.fits) == ["onnx fp32"] and len(profile.measured) == STUDENTS * 2
    it_is_found_again(profile, server.address, tmp_path / "cache")


def when(ready: Callable[[], object], act: Callable[[], None]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and not ready():
        time.sleep(0.005)
    act()


def it_is_found_again(profile: Profile, address: str, cache: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENJING_CACHE", str(cache))
        write_profile(profile, profile_path(address))
        assert read_profile(address) == profile
    (path,) = cache.rglob("*.json")
    assert path.parent == cache / "profiles"


@pytest.fixture(scope="module")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An adb server, and an engine for phones of this machine's kind as an unpacked AAR has it."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("engine")
    write_engine(folder)
    with own_adb_server(home, PENJING_CACHE=str(home / "cache"), PENJING_ANDROID_ONNXRUNTIME=str(folder)):
        yield


@pytest.fixture
def phone(adb: None, tmp_path: Path) -> Iterator[AdbStandIn]:
    with AdbStandIn(Phone(tmp_path / "phone")) as stand_in:
        yield stand_in
        subprocess.run(["adb", "disconnect", stand_in.serial], check=False, capture_output=True)


@needs_phone
def test_a_phone_that_is_lost_keeps_its_rows_and_the_next_profile_goes_on(
    phone: AdbStandIn, files: list[ModelFile], students: list[Drawn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tflite = replace(files[0], engine="tflite", path=tmp_path / "never_opened.tflite")
    monkeypatch.setattr(make, "make_files", lambda students, base: [*files, tflite])
    phone.phone.behaviour = Behaviour(drops_at="penjing_runner --", drops_nth=4)
    address, folder = f"adb://{phone.serial}", tmp_path / "profiles"
    with pytest.raises(LostError, match="connection was lost"):
        make_profile(address, students, folder)
    first = rows_in(folder)
    assert len(first) == 3 * 2
    profile = make_profile(address, students, folder)
    rows = rows_in(folder)
    assert rows[: len(first)] == first and len(rows) == len(set(rows)) == STUDENTS * 2 * ROUNDS
    assert (profile.unit, profile.device) == ("ms", "Stand-in 1, Penjing PJ1")
    assert list(profile.versions) == ["onnxruntime"] and list(profile.fits) == ["onnx fp32"]
    models = [name for name in phone.phone.pushed if name.endswith(".onnx")]
    assert len(models) == len(set(models)) == STUDENTS
    it_is_found_again(profile, address, tmp_path / "cache")


@needs_phone
def test_an_emulated_phone_has_no_profile(phone: AdbStandIn) -> None:
    phone.phone.write("bin/properties", "ro.product.cpu.abilist=x86_64\nro.kernel.qemu=1")
    with pytest.raises(TargetError, match="is emulated, and its times are no device's"):
        meter_of(f"adb://{phone.serial}")
