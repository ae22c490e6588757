"""The adb target through the real adb client, against a stand-in for the phone (`tests/adb_stand_in.py`)."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from adb_stand_in import AdbStandIn, Behaviour, Phone, own_adb_server, why_no_phone, write_engine

from penjing.benchmarks.measurement import Condition
from penjing.benchmarks.native_runner import find_header
from penjing.benchmarks.plan import Plan, Subject, SubjectFacts
from penjing.benchmarks.results import Run
from penjing.benchmarks.targets import adb
from penjing.benchmarks.targets.adb_client import Device, LostError, choose_device, devices
from penjing.benchmarks.targets.phone import read_phone, read_state
from penjing.benchmarks.targets.phone_engine import find_engine
from penjing.runtime.errors import BundleError, TargetError

pytestmark = pytest.mark.skipif(why_no_phone() is not None, reason=why_no_phone() or "")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an unpacked AAR, for this machine."""
    return write_engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, engine: Path) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with own_adb_server(home, PENJING_CACHE=str(home / "cache"), PENJING_ANDROID_ONNXRUNTIME=str(engine)):
        yield


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one phone holds from test to test, so that the engine is sent once."""
    return tmp_path_factory.mktemp("phone")


@pytest.fixture
def phone(server: None, storage: Path) -> Phone:
    return Phone(storage)


@pytest.fixture
def stand_in(phone: Phone) -> Iterator[AdbStandIn]:
    with AdbStandIn(phone) as stand_in:
        yield stand_in
        subprocess.run(["adb", "disconnect", stand_in.serial], check=False, capture_output=True)


@pytest.fixture
def address(stand_in: AdbStandIn) -> str:
    return f"adb://{stand_in.serial}"


@pytest.fixture
def plan(texts: tuple[str, ...]) -> Plan:
    return Plan(texts, lengths=(4, 16), threads=(1,), rounds=3, repeats=2, cold_rounds=1)


@pytest.fixture
def subjects(small: Path, large: Path) -> list[Subject]:
    return [Subject("small", small), Subject("large", large)]


def run_adb(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["adb", *words], capture_output=True, text=True, check=False, timeout=30)


def test_the_real_adb_talks_to_the_stand_in(stand_in: AdbStandIn, phone: Phone, tmp_path: Path) -> None:
    assert "connected" in run_adb("connect", stand_in.serial).stdout
    said = run_adb("shell", "echo out; echo err >&2; exit 7")
    assert (said.returncode, said.stdout, said.stderr) == (7, "out\n", "err\n")
    (tmp_path / "there").write_bytes(bytes(range(256)) * 1000)
    run_adb("push", str(tmp_path / "there"), "/data/local/tmp/file")
    run_adb("pull", "/data/local/tmp/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()
    assert (phone.root / "data/local/tmp/file").is_file()


def test_a_phone_gives_the_same_run_as_other_targets(address: str, subjects: list[Subject], plan: Plan) -> None:
    run = adb.measure(address, subjects, plan)
    warm = {Condition("warm", length, 1) for length in (4, 16)}
    assert {(m.subject, m.condition) for m in run.measurements} == {(s, c) for s in ("small", "large") for c in warm}
    assert {noise.condition for noise in run.noise_floors} == {pair.condition for pair in run.comparisons} == warm
    assert all((m.rounds, len(m.samples_ms), len(m.starts)) == (3, 6, 3) for m in run.measurements)
    assert run.machine.cpu == "Stand-in 1, Penjing PJ1"
    assert run.machine.system.startswith("Android 14 (API 34), ")
    assert (run.machine.architecture, list(run.machine.packages)) == ("x86_64", ["onnxruntime"])
    assert {reading.temperature_c for reading in run.sensors} == {41.5}
    assert [use.subject for use in run.memory] == ["small", "large"]
    assert [stage.name for stage in run.memory[0].stages][-1] == "peak"
    assert set(run.cold_splits[1].samples) == {"engine", "model", "first inference"}
    assert run.partial is None
    assert Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False))) == run


def test_what_is_there_is_not_sent_again(address: str, subjects: list[Subject], plan: Plan, phone: Phone) -> None:
    plan = replace(plan, lengths=(4,))
    adb.measure(address, subjects, plan)
    phone.pushed.clear()
    adb.measure(address, subjects, plan)
    assert phone.pushed == []
    for path in phone.root.glob("data/local/tmp/penjing/*/model.onnx"):
        path.write_bytes(path.read_bytes()[:-1])
    adb.measure(address, subjects, plan)
    assert sorted(Path(name).name for name in phone.pushed) == ["model.onnx"] * 2


def test_without_thermal_zones_the_battery_s_temperature_is_kept(
    address: str, subjects: list[Subject], plan: Plan, phone: Phone
) -> None:
    (phone.root / "sys/class/thermal/thermal_zone0/temp").unlink()
    run = adb.measure(address, subjects, replace(plan, seed=2))
    assert {29.4} <= {reading.temperature_c for reading in run.sensors} <= {29.4, None}


def test_sustained_runs_and_chosen_cores_reach_the_runner(
    address: str, subjects: list[Subject], plan: Plan, phone: Phone
) -> None:
    run = adb.measure(address, subjects[:1], replace(plan, mode="sustained", seconds=1.0, cores=(0,)))
    assert [m.condition for m in run.measurements] == [Condition("warm", 16, 1, "sustained")]
    assert any("--seconds 1 --cores 0" in command for command in phone.commands)


def test_a_lost_connection_leaves_a_partial_run_that_goes_on(
    address: str, subjects: list[Subject], plan: Plan, phone: Phone
) -> None:
    plan = replace(plan, seed=3, rounds=7)  # in one pass
    phone.behaviour = Behaviour(drops_at="penjing_runner --", drops_nth=3)
    lost = adb.measure(address, subjects, plan)
    assert lost.partial is not None
    assert "the connection was lost" in lost.partial
    assert {m.condition.sequence_length for m in lost.measurements} == {4}
    phone.commands.clear()
    whole = adb.measure(address, subjects, plan)
    assert whole.partial is None
    assert {m.condition.sequence_length for m in whole.measurements} == {4, 16}
    assert whole.find("small", Condition("warm", 4, 1)) == lost.find("small", Condition("warm", 4, 1))
    assert sum("--rounds 7" in command for command in phone.commands) == 1


def test_lost_before_anything_was_measured_is_an_error(
    address: str, subjects: list[Subject], plan: Plan, phone: Phone
) -> None:
    phone.behaviour = Behaviour(drops_at="penjing_runner --")
    with pytest.raises(LostError, match="plug it in and run again"):
        adb.measure(address, subjects, replace(plan, seed=4))


def test_lost_while_files_are_sent_is_an_error(
    server: None, tmp_path: Path, subjects: list[Subject], plan: Plan
) -> None:
    with AdbStandIn(Phone(tmp_path, behaviour=Behaviour(drops_after=1000))) as bad, pytest.raises(LostError) as error:
        adb.measure(f"adb://{bad.serial}", subjects, plan)
    run_adb("disconnect", bad.serial)
    assert "\n" not in str(error.value)


def test_a_full_phone_is_said_before_and_while_files_are_sent(
    server: None, tmp_path: Path, subjects: list[Subject], plan: Plan
) -> None:
    with AdbStandIn(Phone(tmp_path, behaviour=Behaviour(full=True))) as full:
        with pytest.raises(TargetError, match=r"storage is full \(penjing_runner"):
            adb.measure(f"adb://{full.serial}", subjects, plan)
        full.phone.script("df", "#!/bin/sh\necho Filesystem; echo /dev/x 1000 900 100 90% /data")
        with pytest.raises(TargetError, match=r"has 0 MB free, .* MB are needed"):
            adb.measure(f"adb://{full.serial}", subjects, plan)
    run_adb("disconnect", full.serial)


def test_a_core_without_the_instructions_is_refused_clearly(
    address: str, subjects: list[Subject], plan: Plan, phone: Phone
) -> None:
    phone.behaviour = Behaviour(dies_at="penjing_runner --")
    with pytest.raises(TargetError, match="has not the instructions"):
        adb.measure(address, subjects, replace(plan, seed=5))


def test_garbage_from_the_runner_or_the_phone_is_refused(
    address: str, subjects: list[Subject], plan: Plan, phone: Phone
) -> None:
    phone.behaviour = Behaviour(babbles_at="penjing_runner --")
    with pytest.raises(TargetError, match="printed no answer"):
        adb.measure(address, subjects, replace(plan, seed=6))
    phone.behaviour = Behaviour(babbles_at="getprop")
    with pytest.raises(TargetError, match="answers what nobody can read"):
        adb.measure(address, subjects, plan)


def test_no_device_a_wrong_one_and_two_are_told_apart(server: None, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="no device: plug one in"):
        choose_device("")
    with AdbStandIn(Phone(tmp_path / "a")) as one, AdbStandIn(Phone(tmp_path / "b")) as two:
        assert choose_device(one.serial) == choose_device("") == Device(one.serial)
        with pytest.raises(TargetError, match=f"no device 'X1': adb knows {one.serial}"):
            choose_device("X1")
        choose_device(two.serial)
        with pytest.raises(TargetError, match="2 devices: choose one of adb://127") as error:
            choose_device("")
        assert one.serial in str(error.value)
        assert two.serial in str(error.value)
        for bad in (one, two):
            run_adb("disconnect", bad.serial)
    with pytest.raises(TargetError, match="adb cannot reach 127"):
        choose_device(one.serial)


def test_a_phone_that_has_not_allowed_this_computer(server: None, tmp_path: Path) -> None:
    with (
        AdbStandIn(Phone(tmp_path, behaviour=Behaviour(refuses=True))) as bad,
        pytest.raises(TargetError, match="has not allowed this computer"),
    ):
        choose_device(bad.serial)
    run_adb("disconnect", bad.serial)


def test_a_phone_that_answers_no_more_is_offline(stand_in: AdbStandIn) -> None:
    choose_device(stand_in.serial)
    stand_in.unplug()
    for _ in range(200):  # adb notices in its own time
        if devices().get(stand_in.serial) != "device":
            break
        time.sleep(0.05)
    with pytest.raises(TargetError, match="is offline or asleep"):
        choose_device("")


def test_a_phone_that_falls_asleep_in_the_middle_is_not_waited_for_forever(stand_in: AdbStandIn) -> None:
    with pytest.raises(LostError, match="no answer in 1 s: wake the device or plug it in again, and run again"):
        choose_device(stand_in.serial).shell("sleep 2", seconds=1.0)


def test_a_sleeping_phone_is_refused(stand_in: AdbStandIn, phone: Phone) -> None:
    phone.write("bin/dumpsys.power", "  mWakefulness=Asleep")
    with pytest.raises(TargetError, match="sleeps, and a sleeping device slows its cores"):
        read_phone(choose_device(stand_in.serial))


def test_battery_and_thermal_status_are_read(stand_in: AdbStandIn, phone: Phone) -> None:
    device = choose_device(stand_in.serial)
    assert read_state(device).text == "battery 81 %, 29.4 C, thermal status 0"
    (phone.root / "bin/dumpsys").unlink()
    assert read_state(device).text == "no battery, no thermal status"


def test_an_abi_without_an_engine_is_named(stand_in: AdbStandIn, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.abis = "armeabi-v7a,armeabi"
    phone.furnish()
    phone.write("proc/cpuinfo", "processor : 0\nFeatures : half thumb neon")
    device = choose_device(stand_in.serial)
    with pytest.raises(TargetError, match="ONNX Runtime for armeabi-v7a or armeabi, there is one for x86_64"):
        find_engine(read_phone(device), device.serial)
    phone.write("system/bin/linker64", "")
    monkeypatch.delenv("PENJING_ANDROID_ONNXRUNTIME")
    with pytest.raises(TargetError, match="there is none: unzip an onnxruntime-android"):
        find_engine(read_phone(device), device.serial)
    monkeypatch.setenv("PENJING_ANDROID_ONNXRUNTIME", "/none")
    with pytest.raises(TargetError, match="which is no folder"):
        find_engine(read_phone(device), device.serial)
    shutil.rmtree(phone.root / "system")
    phone.write("proc/cpuinfo", "processor : 0\nFeatures : half thumb")
    with pytest.raises(TargetError, match="its cores lack neon"):
        read_phone(device)
    shutil.rmtree(phone.root / "proc")


def test_for_android_the_runner_is_built_with_the_ndk(
    stand_in: AdbStandIn, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jni" / "x86_64").mkdir(parents=True)
    (tmp_path / "jni" / "x86_64" / "libonnxruntime.so").touch()
    (tmp_path / "headers").mkdir()
    shutil.copy(find_header_before_tests(), tmp_path / "headers")
    monkeypatch.setenv("PENJING_ANDROID_ONNXRUNTIME", str(tmp_path))
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    phone.write("system/bin/linker64", "")
    device = choose_device(stand_in.serial)
    with pytest.raises(TargetError, match="wants the Android NDK, and ANDROID_NDK_HOME is not set"):
        find_engine(read_phone(device), device.serial)
    clang = tmp_path / "ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/x86_64-linux-android24-clang"
    clang.parent.mkdir(parents=True)
    clang.symlink_to(shutil.which("gcc") or "gcc")
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path / "ndk"))
    assert find_engine(read_phone(device), device.serial).runner.is_file()
    shutil.rmtree(phone.root / "system")


def test_without_adb_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="adb is not installed: apt install adb"):
        choose_device("")


def test_tflite_files_are_left_out_and_alone_refused(capsys: pytest.CaptureFixture[str]) -> None:
    both = [Subject("a", Path("a")), Subject("b", Path("b"))]
    facts = [SubjectFacts("a", "a", "model.onnx", "onnx", "fp32", 1), SubjectFacts("b", "b", "m", "tflite", "fp32", 1)]
    assert adb._onnx_only(both, facts) == ([both[0]], (facts[0],))
    assert "takes ONNX files alone: b" in capsys.readouterr().err
    with pytest.raises(TargetError, match="b: the native runner takes ONNX files"):
        adb._onnx_only(both[1:], facts[1:])


def test_a_changed_bundle_is_refused_before_anything_is_sent(
    address: str, small: Path, plan: Plan, tmp_path: Path, phone: Phone
) -> None:
    shutil.copytree(small, tmp_path / "changed")
    model = tmp_path / "changed" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[100] ^= 1
    model.write_bytes(content)
    with pytest.raises(BundleError, match="its hash differs"):
        adb.measure(address, [Subject("changed", tmp_path / "changed")], plan)
    assert phone.pushed == []


HEADER_HERE = None if why_no_phone() else find_header()


def find_header_before_tests() -> Path:
    """The header where it was before a test chose another cache."""
    assert HEADER_HERE is not None
    return HEADER_HERE


FORGETFUL = """#!/bin/sh
case $1 in
    devices) echo "List of devices attached" && [ -f {0}/anew ] && printf 'board:1\\tdevice\\n' ;;
    connect) if [ -f {0}/said ]; then touch {0}/anew && echo "connected to board:1"
             else touch {0}/said && echo "already connected to board:1"; fi ;;
esac
exit 0
"""


def test_a_connection_that_was_still_being_forgotten_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tmp_path / "adb"
    client.write_text(FORGETFUL.format(tmp_path), encoding="utf-8")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert choose_device("board:1") == Device("board:1")
