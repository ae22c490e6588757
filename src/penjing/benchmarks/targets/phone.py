"""A phone as a machine: what it is, whether the engine can run on it, and how warm and full it is.

All of it is asked in one go over adb's shell and read leniently: what a device does not tell is None or empty. A Linux
board that speaks adb works too. Left out: clock and temperature while something runs, which the runner logs itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...runtime.errors import TargetError
from ..machine import MachineDescription
from ..processor import ENGINES_NEED, ISA_FEATURES
from ..remote.look import emulation
from .adb_client import Device

PART = "penjing-part:"
PROBE = {
    "abis": "getprop ro.product.cpu.abilist",
    "machine": "uname -m",
    "linker": "test -e /system/bin/linker64 -o -e /system/bin/linker && echo bionic",
    "maker": "getprop ro.soc.manufacturer",
    "soc": "getprop ro.soc.model",
    "board": "getprop ro.board.platform",
    "model": "getprop ro.product.model",
    "release": "getprop ro.build.version.release",
    "sdk": "getprop ro.build.version.sdk",
    "emulated": "getprop ro.kernel.qemu",
    "kernel": "uname -sr",
    "cpuinfo": "cat /proc/cpuinfo",
    "memory": "cat /proc/meminfo",
    "load": "cat /proc/loadavg",
    "governor": "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "busy": "grep '^cpu ' /proc/stat; sleep 0.5; grep '^cpu ' /proc/stat",
    "wakefulness": "dumpsys power | grep mWakefulness=",
}
STATE_PROBE = {"battery": "dumpsys battery", "thermal": "dumpsys thermalservice", "clock": "date +%s"}
ABI_OF_MACHINE = {"aarch64": "arm64-v8a", "x86_64": "x86_64", "armv7l": "armeabi-v7a", "i686": "x86"}
NEEDED = {ABI_OF_MACHINE[machine]: feature for machine, feature in ENGINES_NEED.items()}


@dataclass(frozen=True)
class Phone:
    """`abis` in the device's order of preference; `bionic`: programs need Android's C library."""

    abis: tuple[str, ...]
    bionic: bool
    machine: MachineDescription


@dataclass(frozen=True)
class PhoneState:
    """The battery in percent and Celsius, and Android's thermal status: 0 none ... 3 severe ... 6 shutdown."""

    at: float
    battery_percent: int | None
    battery_c: float | None
    thermal_status: int | None

    @property
    def text(self) -> str:
        """For people: what is known of it."""
        level = None if self.battery_percent is None else f"battery {self.battery_percent} %"
        heat = None if self.battery_c is None else f"{self.battery_c:.1f} C"
        status = None if self.thermal_status is None else f"thermal status {self.thermal_status}"
        return ", ".join(part for part in (level, heat, status) if part) or "no battery, no thermal status"


def read_phone(device: Device) -> Phone:
    """Raises TargetError when the device sleeps, says nothing that makes sense, or lacks what every engine needs."""
    said = _probe(device, PROBE)
    if "Asleep" in said["wakefulness"] or "Dozing" in said["wakefulness"]:
        raise TargetError(
            f"{device.serial} sleeps, and a sleeping device slows its cores: wake it, `adb shell svc power stayon true`"
        )
    abis = tuple(abi.strip() for abi in said["abis"].split(",") if abi.strip()) or _abi_of(said["machine"])
    if not abis or not all(re.fullmatch(r"[a-z0-9_-]{2,20}", abi) for abi in abis):
        raise TargetError(f"{device.serial} does not say which ABI it has ({said['abis'][:40]!r}): start it anew")
    features = _features(said["cpuinfo"])
    needed = NEEDED.get(abis[0])
    if needed and features and needed not in features:
        raise TargetError(f"{device.serial}: its cores lack {needed}, which ONNX Runtime needs: no engine runs on it")
    return Phone(abis, "bionic" in said["linker"], _machine(said, abis[0], features))


def read_state(device: Device) -> PhoneState:
    """How warm and full it is now, `at` its own clock's seconds since 1970."""
    said = _probe(device, STATE_PROBE)
    battery = _number(r"^\s*temperature: (-?\d+)", said["battery"])
    return PhoneState(
        _number(r"(\d+)", said["clock"]) or 0.0,
        _whole(r"^\s*level: (\d+)", said["battery"]),
        None if battery is None else battery / 10,
        _whole(r"Thermal Status: (\d+)", said["thermal"]),
    )


def _probe(device: Device, probe: Mapping[str, str]) -> Mapping[str, str]:
    """What each command of the probe says, stripped; "" for one that failed."""
    script = "; ".join(f"echo {PART}{name}; {command} 2>/dev/null; echo" for name, command in probe.items())
    parts = device.shell(script).out.split(PART)[1:]
    said = {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}
    if missing := probe.keys() - said.keys():
        raise TargetError(f"{device.serial} answers what nobody can read (no {min(missing)}): start it anew")
    return said


def _machine(said: Mapping[str, str], abi: str, features: frozenset[str]) -> MachineDescription:
    chip = said["soc"] or said["board"] or _field(said["cpuinfo"], "Hardware") or _field(said["cpuinfo"], "model name")
    names = [said["model"], " ".join(filter(None, (said["maker"], chip)))]
    android = f"Android {said['release']} (API {said['sdk']}), " if said["release"] else ""
    emulated = said["emulated"] == "1" or emulation(said["machine"], said["cpuinfo"].splitlines()) is not None
    return MachineDescription(
        cpu=("emulated " if emulated else "") + (", ".join(filter(None, names)) or "unknown"),
        architecture=abi,
        cores=len(re.findall(r"^processor\s*:", said["cpuinfo"], re.MULTILINE)) or 1,
        isa=tuple(name for name in ISA_FEATURES if name in features),
        memory_mb=round((_number(r"MemTotal:\s+(\d+)", said["memory"]) or 0) * 1024 / 1e6),
        virtual=emulated or "hypervisor" in features,
        system=android + said["kernel"],
        python="",
        packages={},
        governor=said["governor"] or None,
        load_average=_number(r"^(\d+\.\d+)", said["load"]),
        busy_share=_busy(said["busy"]),
    )


def _busy(text: str) -> float:
    """The share of all cores in use between two lines of /proc/stat; 0 where it is not told."""
    lines = [[int(word) for word in line.split()[1:] if word.isdigit()] for line in text.splitlines()]
    if len(lines) != 2 or min(map(len, lines)) < 5:
        return 0.0
    spent = [later - earlier for earlier, later in zip(*lines, strict=False)]
    idle, total = spent[3] + spent[4], sum(spent)
    return round(1 - idle / total, 3) if total > 0 else 0.0


def _features(cpuinfo: str) -> frozenset[str]:
    return frozenset((_field(cpuinfo, "Features") or _field(cpuinfo, "flags")).split())


def _field(cpuinfo: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def _abi_of(machine: str) -> tuple[str, ...]:
    return tuple(filter(None, [ABI_OF_MACHINE.get(machine)]))


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return float(found[1]) if found else None


def _whole(pattern: str, text: str) -> int | None:
    value = _number(pattern, text)
    return None if value is None else int(value)
