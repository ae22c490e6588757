"""The demo app on a phone as what measures: asked through an intent, its answer is the JSON that it would share.

It gives what a customer's app would see: the engine alone and whole answers (tokenizer, labels, or the push of a sample
into a stream), in the app's own process, and what that process holds. The bundle goes into the app's folder and stays
there, where the app can open it. Left out: installing the app, two bundles side by side, TFLite files, chosen cores,
and cold starts.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ...runtime.bundle import open_bundle
from ...runtime.errors import TargetError
from ...runtime.manifest import MANIFEST_NAME
from ..machine import MachineDescription
from ..measurement import Condition, Measurement
from ..partial import partial_of
from ..plan import Plan, Subject, SubjectFacts
from ..results import Run
from ..steps import Finding, Step, assemble, steps
from ..twins import TWIN
from .adb_client import LONG_SECONDS, Device, LostError
from .phone_files import send_folder

APP = "org.penjing.demo"
FOLDER = f"/sdcard/Android/data/{APP}/files"
START_SECONDS = 15.0
"""Until the app has made its folder, or is seen to run."""
POLL_SECONDS = 1.0
GONE = "gone"
BROKEN = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


def is_installed(device: Device) -> bool:
    """Whether the device has a package manager and that has the app."""
    return device.shell(f"pm path {APP}").out.strip().startswith("package:")


def why_not(subjects: Sequence[Subject], plan: Plan) -> str | None:
    """Why the app cannot measure these, as the end of a sentence; None when it can."""
    if len({subject.folder for subject in subjects}) > 1:
        return "takes one bundle at a time"
    return None if plan.cores is None else "cannot choose its cores"


def measure(
    device: Device, machine: MachineDescription, folder: Path, facts: Sequence[SubjectFacts], plan: Plan
) -> Run:
    """Measures the bundle in `folder` on the device. A run that was interrupted is `partial`, and goes on next time.

    Raises BundleError for a changed bundle, TargetError when the app does not answer or measured something else,
    LostError when the connection is lost before anything was measured.
    """
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    kept = partial_of(f"adb://{device.serial} {APP}", facts, plan)
    findings, reason, packages = list(kept.findings()), None, dict[str, str]()

    def take(step: Step) -> Finding:
        run = read_answer(device, _ask(device, name, step, plan, len(facts) + 1))
        packages.update(run.machine.packages)
        return finding_of(run, step, facts, plan, device)

    try:
        name = _send(device, folder)
        kept.take_rest(findings, asked_steps(plan), take)
    except LostError as error:
        if not findings:
            raise
        reason = str(error)
    machine = replace(machine, packages=packages)
    first = [findings[0], *(replace(finding, memory=()) for finding in findings[1:])]
    return assemble(f"adb://{device.serial}", started, machine, facts, plan, first, reason)


def asked_steps(plan: Plan) -> list[Step]:
    """One for each length and thread count; the app's own passes and whole answers are inside of each."""
    return [step for step in steps(plan) if step.kind == "engine" and step.part == 0]


def read_answer(device: Device, text: str) -> Run:
    """The run in what the app wrote. Raises TargetError with the app's words if it wrote an error."""
    try:
        raw = json.loads(text)
        if isinstance(raw, dict) and "error" in raw:
            raise TargetError(f"{device.serial}: the demo app says: {str(raw['error'])[:300]}")
        return Run.from_json(raw)
    except BROKEN as error:
        reason = f"{type(error).__name__}: {str(error)[:80]}"
        raise TargetError(
            f"{device.serial}: the demo app sent no run ({reason}): install the app that belongs to this Penjing"
        ) from None


def finding_of(run: Run, step: Step, facts: Sequence[SubjectFacts], plan: Plan, device: Device) -> Finding:
    """The run's figures of the wanted files, under their labels here. Raises TargetError when it measured others."""
    wanted, told = {fact.file: fact for fact in facts}, {fact.file: fact.sha256 for fact in run.subjects}
    if other := [file for file, fact in wanted.items() if told.get(file) != fact.sha256]:
        raise TargetError(f"{device.serial}: the demo app measured another {other[0]}: install the newest one")
    measured = tuple(_under(wanted, m) for m in run.measurements if m.subject.removesuffix(TWIN) in wanted)
    condition = Condition("warm" if plan.samples is None else "window", step.sequence_length, step.threads, plan.mode)
    if condition not in {m.condition for m in measured}:
        raise TargetError(f"{device.serial}: the demo app did not measure {condition.words}: install the newest one")
    memory = tuple(replace(use, subject=wanted[use.subject].label) for use in run.memory if use.subject in wanted)
    return Finding(step, measured, memory=memory, sensors=run.sensors)


def _under(wanted: dict[str, SubjectFacts], m: Measurement) -> Measurement:
    """The app labels by files."""
    fact = wanted[m.subject.removesuffix(TWIN)]
    return replace(m, subject=fact.label + (TWIN if m.subject.endswith(TWIN) else ""), bundle=fact.bundle)


def _send(device: Device, folder: Path) -> str:
    """The bundle's name in the app's folder, after every file is there; the manifest last, that it is never half."""
    bundle = open_bundle(folder)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", bundle.manifest.name)
    _wake(device)
    files = [file for file in bundle.manifest.files if bundle.verified(file)]
    send_folder(device, bundle.folder, [*files, MANIFEST_NAME], f"{FOLDER}/bundles/{name}")
    return name


def _wake(device: Device) -> None:
    """Has the app make its folder: one that adb made the app could not read."""
    until = time.monotonic() + START_SECONDS
    if device.shell(f"test -d {FOLDER}/bundles").code:
        _start(device, "MainActivity", {})
    while device.shell(f"test -d {FOLDER}/bundles").code:
        if time.monotonic() > until:
            raise TargetError(f"{device.serial}: the demo app made no {FOLDER}/bundles: unlock it, open the app")
        time.sleep(POLL_SECONDS)


def _ask(device: Device, name: str, step: Step, plan: Plan, models: int) -> str:
    """What the app wrote when it was done; its file is removed."""
    token = secrets.token_hex(8)
    place = f"{FOLDER}/results/bench-{token}.json"
    extras: dict[str, str | int] = {
        "bundle": name, "mode": plan.mode, "rounds": plan.rounds, "repeats": plan.repeats, "threads": step.threads,
        "seconds": max(1, round(plan.seconds)), "token": token, "out": place.rpartition("/")[2],
    }  # fmt: skip
    if plan.samples is None:  # a detector has its window
        extras["length"] = step.sequence_length or 0
    try:
        since = _start(device, "BenchmarkActivity", extras)
        return _await(device, place, _seconds(plan, models), since)
    finally:
        with suppress(LostError):
            device.shell(f"rm -f {place}")


def _start(device: Device, activity: str, extras: dict[str, str | int]) -> str:
    """Starts it in a fresh process; the device's time before that. Raises TargetError when Android does not."""
    words = ["am", "start", "-S", "-n", f"{APP}/.{activity}"]
    for name, value in extras.items():
        words += ["--ei" if isinstance(value, int) else "--es", name, str(value)]
    said = device.shell(f"date '+%m-%d %H:%M:%S.000'; {shlex.join(words)} 2>&1")
    since, _, told = said.out.strip().partition("\n")
    if said.code or "Error" in told:
        reason = next((line.strip() for line in told.splitlines() if "Error" in line), f"exit code {said.code}")
        raise TargetError(f"{device.serial} does not start the demo app ({reason}): unlock it, or install the app anew")
    return since


def _await(device: Device, place: str, seconds: float, since: str) -> str:
    """The file's text as soon as it is there. Raises TargetError when the app ends without it, or never does."""
    until, seen = time.monotonic() + seconds, time.monotonic()
    look = f"if [ -f {place} ]; then cat {place}; else pidof {APP} >/dev/null || echo {GONE}; fi"
    while time.monotonic() < until:
        said = device.shell(look, LONG_SECONDS).out.strip()
        if said and said != GONE:
            return said
        seen = seen if said == GONE else time.monotonic()
        if time.monotonic() - seen > START_SECONDS:
            raise TargetError(f"{device.serial}: the demo app ended without a result ({_logged(device, since)})")
        time.sleep(POLL_SECONDS)
    device.shell(f"am force-stop {APP}")
    raise TargetError(f"{device.serial}: the demo app had no result in {seconds:.0f} s ({_logged(device, since)})")


def _logged(device: Device, since: str) -> str:
    """What the app, or Android on its behalf, logged last, without the lines of a stack."""
    log = device.shell(f"logcat -d -v raw -T {shlex.quote(since)} penjing:I AndroidRuntime:E '*:S'").out
    lines = [line.strip() for line in log.splitlines() if line.strip() and not re.match(r"\s*(at |\.\.\.|---)", line)]
    return f"it logged: {lines[-1][:200]}" if lines else "it logged nothing: keep the device awake and unlocked"


def _seconds(plan: Plan, models: int) -> float:
    """How long the app may take: what the mode makes it wait, and enough for the rest."""
    waits = {"burst": 0.0, "paced": 2.0 * plan.rounds * plan.repeats * models, "sustained": plan.seconds}
    return LONG_SECONDS + waits[plan.mode]
