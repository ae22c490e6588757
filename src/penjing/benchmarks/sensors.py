"""Clock and temperature while something is measured, as the kernel shows them.

A device that grows hot lowers its clock; a figure without both beside it cannot be told from noise. Left out: devices
that are asked over adb (`targets/adb.py`), and machines that show neither, as most virtual ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .processor import read_small

SECONDS_BETWEEN = 1.0
SYSTEM = Path("/sys")


@dataclass(frozen=True)
class SensorReading:
    """`at` in seconds since 1970, the hottest zone in Celsius, the slowest core's clock in MHz; None: not shown."""

    at: float
    temperature_c: float | None
    clock_mhz: float | None


def read_sensors(system: Path = SYSTEM) -> SensorReading:
    """What `system` (/sys) shows now."""
    heats = _numbers(system, "class/thermal/thermal_zone*/temp")
    clocks = _numbers(system, "devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")
    return SensorReading(round(time.time(), 3), max(heats, default=None), min(clocks, default=None))


def watch_sensors(readings: list[SensorReading], system: Path = SYSTEM) -> Callable[[], None]:
    """A function to be called often: appends a reading, at most one a second."""

    def watch() -> None:
        if not readings or time.time() - readings[-1].at >= SECONDS_BETWEEN:
            readings.append(read_sensors(system))

    return watch


def between(readings: Sequence[SensorReading], first: float, last: float) -> tuple[SensorReading, ...]:
    """The readings from a second before `first` to a second after `last`, in seconds since 1970."""
    return tuple(r for r in readings if first - SECONDS_BETWEEN <= r.at <= last + SECONDS_BETWEEN)


def _numbers(system: Path, pattern: str) -> list[float]:
    """The thousandths that these files hold, as whole units."""
    texts = (read_small(str(path)) or "" for path in sorted(system.glob(pattern)))
    return [int(text) / 1000 for text in texts if text.lstrip("-").isdigit()]
