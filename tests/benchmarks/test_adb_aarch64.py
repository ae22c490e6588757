"""The adb target on a phone whose programs really are aarch64: the runner as the cross compiler builds it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import arm64_board
import pytest
from adb_stand_in import AdbStandIn, Phone, own_adb_server, phone_on_board

from penjing.benchmarks.arm64.boards import BOARDS, write_board
from penjing.benchmarks.arm64.userland import find_userland
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.results import Run
from penjing.benchmarks.targets import measure_on
from penjing.export.quantize import quantize_onnx
from penjing.runtime.errors import TargetError
from penjing.runtime.manifest import read_manifest, write_manifest

REASON = next((f"no {name}" for name in ("adb", "aarch64-linux-gnu-gcc") if not shutil.which(name)), None)
REASON = REASON or arm64_board.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with phone_on_board(tmp_path_factory.mktemp("phone")) as phone:
        yield phone


@pytest.fixture(scope="module")
def stand_in(phone: Phone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbStandIn]:
    """With a cache of the tests' own that has the userland."""
    home = tmp_path_factory.mktemp("home")
    (home / "cache").mkdir()
    (home / "cache" / "arm64").symlink_to(find_userland().parent)
    variables = {"PENJING_CACHE": str(home / "cache"), "PENJING_ANDROID_ONNXRUNTIME": ""}
    with own_adb_server(home, **variables), AdbStandIn(phone) as stand_in:
        yield stand_in


@pytest.fixture
def plan(texts: tuple[str, ...]) -> Plan:
    return Plan(texts, lengths=(4,), threads=(1,), rounds=2, repeats=2, mode="sustained", seconds=0.1)


def int8_bundle(folder: Path, bundle: Path) -> Path:
    """The bundle with its model quantized: int8 kernels are what cores differ in."""
    shutil.copytree(bundle, folder)
    quantize_onnx(bundle / "model.onnx", folder / "model.onnx")
    content, manifest = (folder / "model.onnx").read_bytes(), read_manifest(folder)
    entry = replace(
        manifest.files["model.onnx"], sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), precision="int8"
    )
    write_manifest(replace(manifest, files={**manifest.files, "model.onnx": entry}), folder)
    return folder


def test_the_shell_is_on_the_board(stand_in: AdbStandIn) -> None:
    subprocess.run(["adb", "connect", stand_in.serial], capture_output=True, check=True)
    said = subprocess.run(["adb", "shell", "uname -m; exit 7"], capture_output=True, text=True, check=False)
    assert (said.stdout, said.returncode) == ("aarch64\n", 7)


def test_a_bundle_is_measured_there_and_never_taken_for_a_device(
    stand_in: AdbStandIn, small: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    run = measure_on(f"adb://{stand_in.serial}", [Subject("small", small)], plan)
    assert run.partial is None
    assert (run.machine.architecture, run.machine.virtual) == ("arm64-v8a", True)
    assert run.machine.cpu == "emulated Stand-in 1, Penjing PJ1"
    assert "asimd" in run.machine.isa and "asimddp" not in run.machine.isa
    assert [m.subject for m in run.measurements] == ["small"]
    assert Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False))) == run
    assert float(capsys.readouterr().err.partition("largest difference from this machine ")[2].split()[0]) < 1e-4


def test_instructions_that_the_core_lacks_are_a_clear_refusal(
    stand_in: AdbStandIn, phone: Phone, small: Path, plan: Plan, tmp_path: Path
) -> None:
    """The board speaks of a Cortex-A76, which has dotprod, and is an A72, which has not."""
    folder = int8_bundle(tmp_path / "int8", small)
    cpuinfo = phone.root / "proc/cpuinfo"
    before = cpuinfo.read_text()
    write_board(BOARDS["cortex-a76"], tmp_path)
    cpuinfo.write_text((tmp_path / "proc/cpuinfo").read_text())
    try:
        with pytest.raises(TargetError, match=r"has not the instructions .* \(SIGILL\): use an engine built for it"):
            measure_on(f"adb://{stand_in.serial}", [Subject("int8", folder)], plan)
    finally:
        cpuinfo.write_text(before)
