"""The `adb` client: which device, its shell, and files to it; every wait has an end, every failure is one line.

The client's own settings hold (`ANDROID_ADB_SERVER_PORT`, `ANDROID_SERIAL`, keys in the home folder). A command's exit
code comes back in its own last line, so that a lost connection is never taken for an answer. Left out: fetching files,
and starting or stopping the adb server, which other programs use as well.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import TargetError

SHORT_SECONDS = 30.0
LONG_SECONDS = 600.0
SETTLE_SECONDS = 5.0
ALREADY = "already connected"
UNSETTLED = ("connecting", "authorizing")
EXIT = "penjing-exit:"
INSTALL = "apt install adb, or the platform tools of the Android SDK"
STATES = {
    "unauthorized": "has not allowed this computer: unlock it and accept the question on its screen",
    "authorizing": "has not allowed this computer: unlock it and accept the question on its screen",
    "offline": "is offline or asleep: wake it, and plug it in again if that does not help",
    "no permissions": "may not be opened by this user: apt install android-sdk-platform-tools-common, plug it in again",
    "recovery": "is in its recovery: start it normally",
    "sideload": "is in its recovery: start it normally",
    "bootloader": "is in its bootloader: start it normally",
}
"""What adb says of a device that does not work, and what it means."""


class LostError(TargetError):
    """The connection was lost in the middle of something; what was measured before is good."""


@dataclass(frozen=True)
class Answer:
    """What a command on the device said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Device:
    """A device that answers, by adb's name for it."""

    serial: str

    def shell(self, command: str, seconds: float = SHORT_SECONDS) -> Answer:
        """Runs a command line of the device's shell; whoever makes it quotes it. Raises LostError without an answer."""
        wrapped = f"( {command} ); code=$?; echo; echo {EXIT}$code"
        done = run_adb("-s", self.serial, "shell", wrapped, seconds=seconds)
        out, mark, code = done.stdout.replace("\r\n", "\n").rpartition(f"\n{EXIT}")
        if not mark or not code.strip().isdigit():
            said = _last_line(done.stderr) or "it stopped in the middle"
            raise LostError(f"{self.serial}: the connection was lost ({said}): plug it in and run again to continue")
        return Answer(int(code), out, done.stderr)

    def push(self, file: Path, place: str) -> None:
        """Copies a file there, mode included. Raises TargetError when it is full, LostError when it is gone."""
        done = run_adb("-s", self.serial, "push", str(file), place, seconds=LONG_SECONDS)
        if not done.returncode:
            return
        said = _reason(done.stderr + done.stdout)
        if "No space left" in said:
            raise TargetError(f"{self.serial}: its storage is full ({file.name} did not fit): free space on it")
        if devices().get(self.serial) != "device":
            raise LostError(f"{self.serial}: the connection was lost ({said}): plug it in and run again to continue")
        raise TargetError(f"{self.serial} does not take {file.name} ({said}): free space on it, or start it anew")


def run_adb(*words: str, seconds: float = SHORT_SECONDS) -> subprocess.CompletedProcess[str]:
    """Raises TargetError when adb is not installed, LostError when it does not come back in time."""
    try:
        return subprocess.run(
            ["adb", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=seconds, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise TargetError(f"adb is not installed: {INSTALL}") from None
    except subprocess.TimeoutExpired:
        step = "wake the device or plug it in again, and run again to continue"
        raise LostError(f"adb had no answer in {seconds:.0f} s: {step}") from None


def devices() -> Mapping[str, str]:
    """The serials that adb knows, and the state of each in adb's words."""
    done = run_adb("devices")
    if done.returncode:
        raise TargetError(f"adb cannot list its devices ({_last_line(done.stderr)}): try `adb devices`")
    lines = done.stdout.partition("List of devices attached")[2].splitlines()
    pairs = (line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2)
    return {serial: state.strip() for serial, state in pairs}


def choose_device(serial: str) -> Device:
    """The device of this serial; "" is the one of `ANDROID_SERIAL`, or the only one. HOST:PORT is connected first.

    Raises TargetError when there is none, when several are there and none was named, or when it does not work.
    """
    wanted = serial or os.environ.get("ANDROID_SERIAL", "")
    there = devices()
    if ":" in wanted and there.get(wanted) != "device":
        there = _connect(wanted)
    if not there:
        raise TargetError("no device: plug one in and turn on USB debugging in its developer options")
    if not wanted and len(there) > 1:
        raise TargetError(f"{len(there)} devices: choose one of {', '.join(f'adb://{name}' for name in there)}")
    wanted = wanted or next(iter(there))
    if wanted not in there:
        raise TargetError(f"no device {wanted!r}: adb knows {', '.join(there)}")
    if there[wanted] != "device":
        known = (meaning for state, meaning in STATES.items() if there[wanted].startswith(state))
        raise TargetError(f"{wanted} {next(known, f'is in the state {there[wanted]!r}: start it anew')}")
    return Device(wanted)


def _connect(serial: str) -> Mapping[str, str]:
    """Connects HOST:PORT; the devices afterwards. A connection that was lost is forgotten first, else adb keeps it."""
    run_adb("disconnect", serial)
    said, there, waits_until = run_adb("connect", serial), devices(), time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < waits_until:
        vanished = serial not in there and ALREADY in said.stdout  # the old connection was still being forgotten
        if not vanished and there.get(serial) not in UNSETTLED:
            break
        time.sleep(0.1)
        said, there = run_adb("connect", serial) if vanished else said, devices()
    if serial not in there:
        raise TargetError(f"adb cannot reach {serial} ({_reason(said.stdout + said.stderr)}): is it awake?")
    return there


def _reason(text: str) -> str:
    """The line that says what went wrong."""
    return next((line.strip() for line in text.splitlines() if "error" in line or "failed" in line), _last_line(text))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
