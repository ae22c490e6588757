"""May a figure be believed? A verdict on each p50 and p90, with the reason.

Throttled: the device lowered its clock, or grew hot, while the times rose. Noisy: the interval is wide, one subject
differed from itself, the times drift without a cause that shows, or the warm-up never settled. Left out: whether two
subjects differ (`compare.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .compare import NoiseFloor
from .measurement import Measurement
from .results import Run
from .sensors import SensorReading, between

Figure = Literal["p50", "p90"]
WIDEST = 0.05
"""Half the 95% interval, as a share of the figure."""
DRIFT = 1.03
"""The last third of the rounds against the first: above this the times rose."""
CLOCK_FALL = 0.95
HEAT_RISE = 5.0
"""Degrees; with times that rose, heat is the likely cause even where no clock shows."""
FEWEST_TO_DRIFT = 9


@dataclass(frozen=True)
class Verdict:
    """`word` and why."""

    word: Literal["trusted", "noisy", "throttled"]
    reason: str


def judge(run: Run, measured: Measurement, figure: Figure = "p50") -> Verdict:
    """The verdict on one figure of one measurement of the run."""
    floor = next((noise for noise in run.noise_floors if noise.condition == measured.condition), None)
    return judge_figure(measured, floor, run.sensors, figure)


def judge_figure(
    measured: Measurement, floor: NoiseFloor | None, sensors: Sequence[SensorReading], figure: Figure
) -> Verdict:
    """The same from its parts; `floor` is that of the condition."""
    drift = _drift(measured)
    cause = _cause_of_heat(measured, sensors) if drift > DRIFT else None
    if cause:
        return Verdict("throttled", f"the last third of the rounds took {drift:.2f}x the first while {cause}")
    value, (low, high) = _figure(measured, figure)
    half = (high - low) / 2 / value
    if floor is not None and floor.is_high:
        return Verdict("noisy", f"one subject differed from itself by up to {floor.floor:.2f}x (A/A)")
    if half > WIDEST:
        return Verdict("noisy", f"95% interval is ±{half:.1%} of the {figure}, more than ±{WIDEST:.0%}")
    if drift > DRIFT or 1 / drift > DRIFT:
        return Verdict("noisy", f"the last third of the rounds took {drift:.2f}x the first, and no sensor shows why")
    if not measured.settled:
        return Verdict("noisy", "the times never came to one level in the warm-up")
    beside = "" if floor is None else f", one subject against itself up to {floor.floor:.3f}x"
    return Verdict("trusted", f"95% interval ±{half:.1%}{beside}")


def _figure(measured: Measurement, figure: Figure) -> tuple[float, tuple[float, float]]:
    return (measured.p50, measured.p50_interval) if figure == "p50" else (measured.p90, measured.p90_interval)


def _drift(measured: Measurement) -> float:
    """Median of the last third of the rounds over that of the first; 1 when there are too few rounds."""
    third = measured.rounds // 3
    if measured.rounds < FEWEST_TO_DRIFT:
        return 1.0
    medians = np.median(measured.blocks, axis=1)
    return float(np.median(medians[-third:]) / np.median(medians[:third]))


def _cause_of_heat(measured: Measurement, sensors: Sequence[SensorReading]) -> str | None:
    """What the sensors showed from the first to the last third of the measurement, None when nothing that slows."""
    if not measured.starts:
        return None
    log = between(sensors, measured.starts[0], measured.starts[-1])
    third = max(1, len(log) // 3)
    clocks = [[r.clock_mhz for r in part if r.clock_mhz is not None] for part in (log[:third], log[-third:])]
    if all(clocks) and np.median(clocks[1]) <= CLOCK_FALL * np.median(clocks[0]):
        return f"the clock fell from {np.median(clocks[0]):.0f} to {np.median(clocks[1]):.0f} MHz"
    heats = [[r.temperature_c for r in part if r.temperature_c is not None] for part in (log[:third], log[-third:])]
    if all(heats) and np.median(heats[1]) - np.median(heats[0]) >= HEAT_RISE:
        return f"the temperature rose from {np.median(heats[0]):.0f} to {np.median(heats[1]):.0f} degrees"
    return None
