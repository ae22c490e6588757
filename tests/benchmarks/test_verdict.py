"""May a figure be believed? Made-up series whose verdict is plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penjing.benchmarks.compare import noise_floor
from penjing.benchmarks.measurement import Condition, Measurement
from penjing.benchmarks.sensors import SensorReading
from penjing.benchmarks.verdict import judge_figure

WARM = Condition("warm", 32, 1)


def measured(spread: float = 0.01, slope: float = 0.0, seed: int = 0) -> Measurement:
    """30 rounds, a second each, that grow slower by `slope` from first to last."""
    noise = spread * np.random.default_rng(seed).standard_normal((30, 10))
    times = 2.0 * np.exp(noise) * (1 + slope * np.linspace(0, 1, 30)[:, None])
    samples = tuple(float(t) for t in times.reshape(-1))
    starts = tuple(1000.0 + r for r in range(30))
    return Measurement("a", "tiny", "model.onnx", "onnx", "fp32", WARM, 30, samples, starts=starts)


def log(clock: tuple[float, float] | None, heat: tuple[float, float] | None) -> tuple[SensorReading, ...]:
    """Readings of 30 seconds, from the first value to the second."""
    shares = np.linspace(0, 1, 30)
    clocks = [None] * 30 if clock is None else [float(clock[0] + s * (clock[1] - clock[0])) for s in shares]
    heats = [None] * 30 if heat is None else [float(heat[0] + s * (heat[1] - heat[0])) for s in shares]
    return tuple(SensorReading(1000.0 + i, heats[i], clocks[i]) for i in range(30))


def test_a_quiet_run_is_trusted_and_says_its_interval() -> None:
    found = judge_figure(measured(), noise_floor(measured(), measured(seed=1)), (), "p50")
    assert found.word == "trusted"
    assert "95% interval ±0." in found.reason
    assert judge_figure(measured(), None, log((1800, 1800), (50, 60)), "p90").word == "trusted"


def test_a_clock_that_falls_while_the_times_rise_is_throttling() -> None:
    found = judge_figure(measured(slope=0.4), None, log((1800, 1200), (50, 80)), "p50")
    assert found.word == "throttled"
    assert "MHz" in found.reason


def test_heat_alone_explains_times_that_rise() -> None:
    found = judge_figure(measured(slope=0.4), None, log(None, (50, 80)), "p50")
    assert found.word == "throttled"
    assert "degrees" in found.reason


def test_heat_without_slower_times_is_no_throttling() -> None:
    assert judge_figure(measured(), None, log((1800, 1200), (50, 80)), "p50").word == "trusted"


def test_times_that_drift_without_a_cause_are_noisy() -> None:
    assert judge_figure(measured(slope=0.08), None, log((1800, 1800), (50, 51)), "p50").word == "noisy"
    assert judge_figure(measured(slope=-0.08), None, (), "p50").word == "noisy"


def test_a_high_floor_a_wide_interval_and_an_unsettled_warm_up_are_noisy() -> None:
    loud = noise_floor(measured(), replace(measured(), samples_ms=tuple(1.2 * s for s in measured().samples_ms)))
    assert judge_figure(measured(), loud, (), "p50").word == "noisy"
    assert judge_figure(measured(spread=0.8), None, (), "p50").word == "noisy"
    unsettled = judge_figure(replace(measured(), settled=False), None, (), "p50")
    assert (unsettled.word, "warm-up" in unsettled.reason) == ("noisy", True)


def test_p90_can_be_noisy_where_p50_is_trusted() -> None:
    """One call in nine is slow, by how much depends on the round."""
    random = np.random.default_rng(3)
    times = 2.0 * np.exp(0.01 * random.standard_normal((30, 9)))
    times[:, 4] *= np.exp(np.abs(random.standard_normal(30)))
    m = replace(measured(), samples_ms=tuple(float(t) for t in times.reshape(-1)))
    assert judge_figure(m, None, (), "p50").word == "trusted"
    assert judge_figure(m, None, (), "p90").word == "noisy"
