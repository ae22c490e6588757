"""The SSH target against a real OpenSSH server on the loopback: whole runs, cut ones, and boards that misbehave.

A board misbehaves through a `python3` of its own that does something else when our far side is started. Logins that
really are aarch64 are in `test_ssh_aarch64.py`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from loopback_sshd import SYSTEM_PATH, LoopbackSshd, loopback_sshd, why_not

from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.remote.connection import CONFIG
from penjing.benchmarks.remote.ssh_errors import ConnectionLostError
from penjing.benchmarks.results import Run
from penjing.benchmarks.steps import steps
from penjing.benchmarks.targets import measure_on
from penjing.runtime.errors import BundleError, TargetError

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
PYTHON = sys.executable
SET_BACK = """
import json, subprocess, sys
board = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=sys.stdin, stdout=subprocess.PIPE, text=True)
for line in board.stdout:
    mark, brace, rest = line.partition("{")
    said = json.loads(brace + rest)
    for found in said.get("finding", {}).get("measurements", []):
        found["starts"] = [start - i for i, start in enumerate(found["starts"])]
    print(mark + json.dumps(said), flush=True)
"""
"""Passes on what the far side says, as if its clock were set back by a second after each round."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "bin").mkdir()
    with loopback_sshd(folder, f"{folder / 'bin'}:{SYSTEM_PATH}") as server:
        behave(server)
        (server.home / ".bashrc").write_text("echo 'Welcome to the board!'; printf 'Load: 0.1 '\n")
        (server.folder / "set_back.py").write_text(SET_BACK)
        yield server


@pytest.fixture(autouse=True)
def caches(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(CONFIG, str(server.client_config))
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))
    behave(server)
    return tmp_path / "partial"


def behave(server: LoopbackSshd, instead: str = "") -> None:
    """What the board's Python does when the far side is started: as it should, or a line of shell instead."""
    fault = f'case "$*" in *benchmarks.far_side*) {instead} ;; esac\n' if instead else ""
    path = server.folder / "bin/python3"
    path.write_text(f'#!/bin/sh\n{fault}exec {PYTHON} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
def plan(texts: tuple[str, ...]) -> Plan:
    """One step."""
    return Plan(texts, lengths=(4,), threads=(1,), rounds=3, repeats=2, mode="sustained", seconds=0.1)


def measure(server: LoopbackSshd, small: Path, plan: Plan) -> Run:
    return measure_on(server.address, [Subject("small", small)], plan)


def far_sides(server: LoopbackSshd) -> list[psutil.Process]:
    """Our processes on the board."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("benchmarks.far_side" in word for word in process.info["cmdline"] or ()):
            try:
                found += [process] if process.environ().get("HOME") == str(server.home) else []
            except psutil.Error:
                continue
    return found


def test_a_whole_run_comes_back_with_raw_samples_though_the_login_greets(
    server: LoopbackSshd, small: Path, large: Path, plan: Plan, caches: Path
) -> None:
    run = measure_on(server.address, [Subject("small", small), Subject("large", large)], plan)
    assert (run.target, run.partial) == (server.address, None)
    assert {measurement.subject for measurement in run.measurements} == {"small", "large"}
    assert all(len(m.samples_ms) == 2 * m.rounds == 2 * len(m.starts) for m in run.measurements)
    assert len(run.comparisons) == len(run.noise_floors) == 1
    assert len(run.sensors) >= 2
    assert not list(caches.iterdir())
    assert Run.from_json(run.to_json()) == run
    assert str(server.home) not in str(run.to_json())


def test_a_lost_connection_keeps_what_there_is_and_the_next_run_continues(
    server: LoopbackSshd, small: Path, plan: Plan, caches: Path
) -> None:
    whole = replace(plan, mode="burst", cold_rounds=1)
    threading.Thread(target=cut_after_one_finding, args=[server, caches], daemon=True).start()
    first = measure(server, small, whole)
    assert first.partial is not None
    assert first.partial.startswith("the connection to 127.0.0.1 was lost")
    assert first.partial.endswith("run again to continue")
    assert first.measurements
    assert not any(m.condition.kind == "import" for m in first.measurements)
    until = time.monotonic() + 5
    while far_sides(server) and time.monotonic() < until:
        time.sleep(0.02)
    assert not far_sides(server)
    second = measure(server, small, whole)
    assert second.partial is None
    for kept in first.measurements:  # some of the passes, or all of them
        found = second.find(kept.subject, kept.condition)
        assert found is not None
        assert found.samples_ms[: len(kept.samples_ms)] == kept.samples_ms
    assert {m.condition.kind for m in second.measurements} == {"warm", "text", "cold", "import"}
    assert second.memory and second.wrapper and second.profiles
    assert len(second.sensors) >= 2 * len(steps(whole))
    assert not list(caches.iterdir())


def cut_after_one_finding(server: LoopbackSshd, caches: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and not any(path.stat().st_size for path in caches.glob("*.jsonl")):
        time.sleep(0.005)
    server.cut()


def test_a_connection_that_is_lost_before_anything_was_measured_is_an_error(
    server: LoopbackSshd, small: Path, plan: Plan
) -> None:
    behave(server, "sleep 20")
    threading.Thread(target=cut_when_it_runs, args=[server], daemon=True).start()
    with pytest.raises(ConnectionLostError, match="was lost"):
        measure(server, small, plan)


def cut_when_it_runs(server: LoopbackSshd) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and not (server.folder / "home/.cache/penjing/lock").exists():
        time.sleep(0.02)
    time.sleep(1)
    server.cut()


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ("kill -ILL $$", r"lacks an instruction that the engine uses \(it has .*\): measure another file or engine"),
        ("kill -KILL $$", "was killed, most likely for its memory: measure fewer"),
        ("echo 'Segmentation fault' >&2; exit 3", r"ended with 3 \(Segmentation fault\): run again"),
        ("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1", r"disk of 127\.0\.0\.1 is full"),
        ("printf 'penjing-finding {\\001\\n'", r"answered what we cannot read \('.*penjing-finding \{\?'\): see what"),
        ("echo 'penjing-finding [3]'", "answered what we cannot read"),
        ("""echo 'penjing-finding {"machine": {"cpu": 3}}'""", "described no machine .*TypeError"),
        ("""echo 'penjing-finding {"finding": {"cpu": 3}}'""", "sent no measurement"),
        ("echo hello; exit 0", "ended with 0"),
    ],
)  # fmt: skip
def test_a_board_that_misbehaves_is_said_in_one_line(
    server: LoopbackSshd, small: Path, plan: Plan, instead: str, message: str
) -> None:
    behave(server, instead)
    with pytest.raises(TargetError, match=message) as caught:
        measure(server, small, plan)
    assert "\n" not in str(caught.value)


def test_samples_that_go_back_in_time_are_refused(server: LoopbackSshd, small: Path, plan: Plan, caches: Path) -> None:
    behave(server, f'exec {PYTHON} $HOME/../set_back.py "$@"')
    with pytest.raises(TargetError, match=r"sent no measurement .*the clock was set back") as caught:
        measure(server, small, replace(plan, mode="burst", rounds=7))  # in one pass; a sustained run has one round
    assert "\n" not in str(caught.value)
    assert not list(caches.glob("*.jsonl"))


def test_what_the_board_cannot_do_is_its_own_error(server: LoopbackSshd, small: Path, plan: Plan) -> None:
    with pytest.raises(BundleError, match=r"^on 127\.0\.0\.1: small.* takes at most 16 tokens, not 17"):
        measure(server, small, replace(plan, lengths=(17,)))
    with pytest.raises(TargetError, match=r"on 127\.0\.0\.1: cores \[4096\]: this process may use"):
        measure(server, small, replace(plan, cores=(4096,)))


def test_two_measurements_at_a_time_are_refused(server: LoopbackSshd, small: Path, plan: Plan) -> None:
    behave(server, "touch $HOME/busy; sleep 20")
    first = threading.Thread(target=measure_in_vain, args=[server, small, plan], daemon=True)
    first.start()
    while not (server.home / "busy").exists():
        time.sleep(0.02)
    with pytest.raises(TargetError, match=r"another measurement runs on 127\.0\.0\.1, and two would disturb"):
        measure(server, small, plan)
    server.cut()
    first.join()


def measure_in_vain(server: LoopbackSshd, small: Path, plan: Plan) -> None:
    with pytest.raises(TargetError):
        measure(server, small, plan)


def test_bad_subjects_and_addresses_are_refused_before_any_login(server: LoopbackSshd, small: Path, plan: Plan) -> None:
    logins = server.log.count("Accepted")
    with pytest.raises(BundleError, match="label of its own"):
        measure_on(server.address, [Subject("a", small), Subject("a", small)], plan)
    with pytest.raises(TargetError, match="no SSH address 'ssh://-v'"):
        measure_on("ssh://-v", [Subject("a", small)], plan)
    assert server.log.count("Accepted") == logins
