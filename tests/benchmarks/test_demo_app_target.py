"""The demo app as a target, through the real adb client, against stand-ins for the phone and for Android."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adb_stand_in import AdbStandIn, Behaviour, Phone, own_adb_server, why_no_phone
from command import penjing_command, refusal
from demo_app_stand_in import FILES, install, install_prepared, install_real, why_no_core
from made_runs import blocks, timed
from tiny_bundle import TEXTS
from tiny_detector_bundle import WINDOW, series, shared_detector_bundle, windows_of

from penjing.benchmarks.measurement import Condition, Measurement
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.results import Run
from penjing.benchmarks.targets import adb, demo_app
from penjing.benchmarks.targets.adb_client import LostError
from penjing.benchmarks.twins import TWIN
from penjing.runtime.bundle import open_bundle
from penjing.runtime.errors import BundleError, TargetError

pytestmark = pytest.mark.skipif(why_no_phone() is not None, reason=why_no_phone() or "")
real_core = pytest.mark.skipif(why_no_core() is not None, reason=why_no_core() or "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with own_adb_server(home, PENJING_CACHE=str(home / "cache")):
        yield


@pytest.fixture
def phone(server: None, tmp_path: Path) -> Phone:
    return Phone(tmp_path / "phone")


@pytest.fixture
def address(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(demo_app, "POLL_SECONDS", 0.05)
    with AdbStandIn(phone) as stand_in:
        yield f"adb://{stand_in.serial}"
        subprocess.run(["adb", "disconnect", stand_in.serial], check=False, capture_output=True)


@pytest.fixture
def subjects(own_bundle: Path) -> list[Subject]:
    return [Subject("quick", own_bundle, "onnx", "int8"), Subject("exact", own_bundle, "onnx", "fp32")]


@pytest.fixture
def plan() -> Plan:
    return Plan(TEXTS, lengths=(8, 16), threads=(1,), rounds=10, repeats=2, cold_rounds=1)


def answer(folder: Path, length: int = 8, threads: int = 1, **changes: Any) -> dict[str, Any]:
    """What the app writes of a bundle with two ONNX files."""
    bundle = open_bundle(folder)
    names = [name for name in bundle.model_files if name.endswith(".onnx")]
    facts = [
        {"label": name, "bundle": bundle.manifest.name, "file": name, "engine": "onnx", "precision": entry.precision,
         "bytes": entry.bytes, "sha256": entry.sha256, "quality": None}
        for name, entry in ((name, bundle.manifest.files[name]) for name in names)
    ]  # fmt: skip
    conditions = (Condition("warm", length, threads), Condition("text", None, threads))
    measured = [m for c in conditions for m in _measured(names, c)]
    machine = {
        "cpu": "a phone", "architecture": "aarch64", "cores": 8, "isa": [], "memory_mb": 8000, "virtual": False,
        "system": "Android 14", "python": "", "packages": {"onnxruntime": "1.29.0"}, "governor": None,
        "load_average": None, "busy_share": None,
    }  # fmt: skip
    settings = {"lengths": [length], "threads": [threads], "rounds": 10, "repeats": 2, "texts": 4, "cold_rounds": 0}
    return {
        "target": "android", "started": "2026-01-01T00:00:00+00:00", "machine": machine, "subjects": facts,
        "settings": {**settings, "seed": 1}, "measurements": measured, "noise_floors": [], "comparisons": [],
        "wrapper": [], "profiles": [], "schema_version": 1, **changes,
    }  # fmt: skip


def _measured(names: list[str], condition: Condition) -> list[dict[str, Any]]:
    labels = [*names, names[0] + TWIN]
    found = [timed(label, blocks(1 + i % 2, seed=i, rounds=10, calls=2), condition) for i, label in enumerate(labels)]
    return [replace(m, file=m.subject.removesuffix(TWIN), passes=5).to_json() for m in found]


@real_core
def test_the_real_core_gives_the_run_that_other_targets_give(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install_real(phone)
    run = adb.measure(address, subjects, plan)
    warm, text = {Condition("warm", length, 1) for length in (8, 16)}, Condition("text", None, 1)
    assert {(m.subject, m.condition) for m in run.measurements} == {
        (label, condition) for label in ("quick", "exact") for condition in {*warm, text}
    }
    assert {noise.condition for noise in run.noise_floors} == {*warm, text}
    assert all(noise.first.subject == "quick" and noise.between_runs for noise in run.noise_floors)
    assert {(m.rounds, m.passes) for m in run.measurements if m.condition.kind == "warm"} == {(10, 5)}
    assert (run.machine.cpu, run.machine.packages["onnxruntime"]) == ("Stand-in 1, Penjing PJ1", "1.29.0")
    assert (run.target, run.partial) == (address, None)
    assert Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False))) == run
    assert not list((phone.root / FILES / "results").iterdir())


@real_core
def test_the_real_core_measures_a_detector_and_its_stream(address: str, phone: Phone, tmp_path: Path) -> None:
    phone.furnish()
    install_real(phone)
    samples = windows_of(series(12, seed=3)).astype("float32")
    plan = Plan(lengths=(WINDOW,), threads=(1,), rounds=5, repeats=2, samples=samples, cold_rounds=1)
    run = adb.measure(address, [Subject("detector", shared_detector_bundle(), "onnx", "fp32")], plan)
    assert {m.condition for m in run.measurements} == {Condition("window", WINDOW, 1), Condition("stream", None, 1)}


def test_every_length_and_thread_count_is_asked_once_and_answers_are_joined(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install_prepared(phone, answer(subjects[0].folder))
    run = adb.measure(address, subjects, replace(plan, lengths=(8,)))
    asked = [command for command in phone.commands if "BenchmarkActivity" in command]
    assert len(asked) == 1
    assert "--es bundle tiny --es mode burst --ei rounds 10 --ei repeats 2 --ei threads 1" in asked[0]
    assert "--ei length 8" in asked[0]
    assert {(m.subject, m.passes) for m in run.measurements} == {("quick", 5), ("exact", 5)}
    assert {c.verdict for c in run.comparisons} == {"faster"}


def test_the_bundle_stays_on_the_phone_and_is_not_sent_again(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install_prepared(phone, answer(subjects[0].folder))
    adb.measure(address, subjects, replace(plan, lengths=(8,)))
    assert phone.pushed[-1] == f"/{FILES}/bundles/tiny/manifest.json"
    phone.pushed.clear()
    adb.measure(address, subjects, replace(plan, lengths=(8,)))
    assert phone.pushed == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"error": "threads is 9: give 1 to 8"}, "the demo app says: threads is 9: give 1 to 8$"),
        ({"surprise": 1}, r"sent no run \(KeyError"),
        ({"subjects": []}, "measured another model.int8.onnx"),
        ({"measurements": []}, "did not measure 8 tokens, 1 thread"),
    ],
)
def test_an_answer_that_is_none_is_one_line(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan, changes: dict[str, Any], words: str
) -> None:
    phone.furnish()
    install_prepared(phone, answer(subjects[0].folder, **changes))
    with pytest.raises(TargetError, match=words) as error:
        adb.measure(address, subjects, plan)
    assert "\n" not in str(error.value)
    assert not list((phone.root / FILES / "results").iterdir())


def test_an_app_that_crashes_says_what_it_logged(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_app, "START_SECONDS", 0.3)
    phone.furnish()
    install(phone, "echo java.lang.OutOfMemoryError: no room; echo '    at org.penjing.core.Bundle'; false")
    with pytest.raises(TargetError, match=r"ended without a result \(it logged: java.lang.OutOfMemoryError: no room\)"):
        adb.measure(address, subjects, plan)


def test_an_app_that_hangs_is_stopped(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_app, "_seconds", lambda plan, models: 0.5)
    phone.furnish()
    install(phone, "sleep 60")
    with pytest.raises(TargetError, match=r"had no result in 0 s \(it logged nothing: keep the device awake"):
        adb.measure(address, subjects, plan)
    assert any(f"am force-stop {demo_app.APP}" in command for command in phone.commands)


def test_an_activity_that_android_does_not_start_is_said(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install(phone, "true")
    phone.script("am", "#!/bin/sh\necho Error: Activity class does not exist.")
    with pytest.raises(TargetError, match=r"does not start the demo app \(Error: Activity class does not exist"):
        adb.measure(address, subjects, plan)


def test_an_app_that_makes_no_folder_is_not_written_to(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_app, "START_SECONDS", 0.2)
    phone.furnish()
    install(phone, "true")
    phone.script("am", "#!/bin/sh\necho Starting")
    with pytest.raises(TargetError, match="unlock it, open the app"):
        adb.measure(address, subjects, plan)
    assert phone.pushed == []


def test_a_lost_connection_keeps_what_was_measured_and_goes_on(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install_prepared(phone, answer(subjects[0].folder, length=8))
    phone.behaviour = Behaviour(drops_at="BenchmarkActivity", drops_nth=2)
    lost = adb.measure(address, subjects, plan)
    assert lost.partial is not None
    assert {m.condition.sequence_length for m in lost.measurements} == {8, None}
    install_prepared(phone, answer(subjects[0].folder, length=16))
    whole = adb.measure(address, subjects, plan)
    assert (whole.partial, {m.condition.sequence_length for m in whole.measurements}) == (None, {8, 16, None})
    texts = whole.find("quick", Condition("text", None, 1))
    assert texts is not None
    assert (texts.rounds, texts.passes) == (20, 10)


def test_lost_before_anything_was_measured_is_an_error(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install_prepared(phone, answer(subjects[0].folder))
    phone.behaviour = Behaviour(drops_at="BenchmarkActivity")
    with pytest.raises(LostError, match="plug it in and run again"):
        adb.measure(address, subjects, replace(plan, seed=9))


def test_a_changed_bundle_is_refused_before_it_is_sent(
    address: str, phone: Phone, subjects: list[Subject], plan: Plan
) -> None:
    phone.furnish()
    install_prepared(phone, answer(subjects[0].folder))
    path = subjects[0].folder / "vocab.txt"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(BundleError, match="its hash differs"):
        adb.measure(address, subjects, plan)
    assert phone.pushed == []


def test_two_bundles_and_chosen_cores_are_left_to_the_native_runner(own_bundle: Path, plan: Plan) -> None:
    one, other = Subject("a", own_bundle), Subject("b", own_bundle.parent)
    assert demo_app.why_not([one, other], plan) == "takes one bundle at a time"
    assert demo_app.why_not([one], replace(plan, cores=(0,))) == "cannot choose its cores"
    assert demo_app.why_not([one], plan) is None


def test_what_the_app_shares_is_compared_with_its_twins_as_noise(
    own_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(answer(own_bundle)), encoding="utf-8")
    assert penjing_command("compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--gate") == 0
    printed = capsys.readouterr()
    assert f"model.int8.onnx{TWIN}" not in printed.out
    assert "the noise floor of before (A/A)" in printed.out
    assert "0 worse, 0 better, 10 not different" in printed.err


def test_a_twin_of_nothing_is_a_broken_run(
    own_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = answer(own_bundle)
    raw["measurements"] = [m for m in raw["measurements"] if Measurement.from_json(m).subject.endswith(TWIN)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert "a twin of nothing: model.int8.onnx (A/A)" in refusal(capsys, "compare", str(path), str(path))
