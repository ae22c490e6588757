"""Samples, percentiles, intervals and verdicts, on numbers whose answers are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from penjing.benchmarks.compare import NoiseFloor, compare, noise_floor
from penjing.benchmarks.intervals import median_interval, ratio_interval
from penjing.benchmarks.measurement import Condition, Measurement, join_passes

WARM = Condition("warm", 32, 1)


def measured(samples: np.ndarray, subject: str = "a", condition: Condition = WARM) -> Measurement:
    times = tuple(float(sample) for sample in samples.reshape(-1))
    return Measurement(subject, "tiny", "model.onnx", "onnx", "fp32", condition, len(samples), times)


def noisy(median: float, seed: int, rounds: int = 20, calls: int = 10, spread: float = 0.02) -> np.ndarray:
    return median * np.exp(spread * np.random.default_rng(seed).standard_normal((rounds, calls)))


def test_percentiles_are_those_of_the_samples() -> None:
    m = measured(np.arange(1.0, 102.0).reshape(101, 1))
    assert (m.p50, m.p90, m.p99) == (51.0, 91.0, 100.0)


def test_p99_of_a_few_samples_is_not_given() -> None:
    assert measured(np.arange(1.0, 100.0).reshape(99, 1)).p99 is None


def test_a_measurement_survives_json_with_its_raw_samples() -> None:
    m = replace(measured(noisy(3.0, 0)), peak_rss_mb=71.25)
    assert Measurement.from_json(json.loads(json.dumps(m.to_json(), allow_nan=False))) == m


@pytest.mark.parametrize("samples", [(), (1.0, 2.0, 3.0), (1.0, 0.0), (1.0, float("nan"))])
def test_samples_that_are_no_times_or_do_not_fill_the_rounds_are_refused(samples: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a: "):
        Measurement("a", "tiny", "model.onnx", "onnx", "fp32", WARM, 2, samples)


def test_the_interval_holds_the_true_median_about_95_times_in_100() -> None:
    """Rounds differ (a busy neighbour): an interval over single calls would hold it far less often."""
    held = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        blocks = np.exp(0.1 * random.standard_normal((20, 1)) + 0.01 * random.standard_normal((20, 10)))
        low, high = median_interval(blocks)
        held += low <= 1.0 <= high
    assert held >= 180


def test_what_slows_a_whole_round_cancels_in_the_ratio() -> None:
    weather = np.exp(0.5 * np.random.default_rng(0).standard_normal((20, 1)))
    low, high = ratio_interval(noisy(4.0, 1) * weather, noisy(2.0, 2) * weather)
    assert low < 2.0 < high
    assert high / low < 1.5
    alone_low, alone_high = median_interval(noisy(4.0, 1) * weather)
    assert high / low < 0.8 * alone_high / alone_low


def test_the_interval_of_very_few_rounds_is_their_whole_range() -> None:
    assert median_interval(np.array([[3.0], [1.0], [2.0]])) == (1.0, 3.0)
    assert ratio_interval(np.array([[4.0], [6.0]]), np.array([[2.0], [2.0]])) == (2.0, 3.0)


def test_twice_as_fast_is_found_and_said() -> None:
    found = compare(measured(noisy(1.0, 0), "student"), measured(noisy(2.0, 1), "teacher"), floor=1.02)
    assert found.verdict == "faster"
    assert found.ratio == pytest.approx(2.0, rel=0.01)
    assert found.sentence().startswith("student is 2.0")
    back = compare(measured(noisy(2.0, 1), "teacher"), measured(noisy(1.0, 0), "student"), floor=1.02)
    assert back.verdict == "slower"
    assert back.ratio == pytest.approx(1 / found.ratio)


def test_a_difference_below_the_noise_floor_is_not_different() -> None:
    a, b = measured(noisy(1.0, 0, spread=0.001), "a"), measured(noisy(1.03, 1, spread=0.001), "b")
    assert compare(a, b, floor=1.01).verdict == "faster"
    assert compare(a, b, floor=1.05).verdict == "not different"
    assert "not different" in compare(a, b, floor=1.05).sentence()


def test_an_interval_that_holds_one_is_not_different() -> None:
    a, b = measured(noisy(1.0, 0, spread=0.5), "a"), measured(noisy(1.02, 1, spread=0.5), "b")
    assert compare(a, b, floor=1.0).verdict == "not different"


def test_the_noise_floor_is_the_farther_end_of_the_interval() -> None:
    quiet = noise_floor(measured(noisy(1.0, 0)), measured(noisy(1.0, 1)))
    assert quiet.floor == pytest.approx(max(quiet.high, 1 / quiet.low))
    assert not quiet.is_high
    loud = noise_floor(measured(noisy(1.0, 0)), measured(noisy(1.2, 1)))
    assert loud.is_high
    assert loud.floor > 1.19
    assert NoiseFloor(WARM, 0.8, 0.75, 0.9, loud.first, loud.second).floor == pytest.approx(1 / 0.75)


def test_measurements_of_different_conditions_are_not_compared() -> None:
    a, b = measured(noisy(1.0, 0)), measured(noisy(1.0, 0), condition=Condition("warm", 128, 1))
    with pytest.raises(ValueError, match="side by side"):
        compare(a, b, floor=1.0)


def in_passes(medians: list[float], seed: int, subject: str = "a") -> Measurement:
    """A measurement of passes with these medians, which hardly vary inside."""
    parts = [measured(noisy(median, seed + i, rounds=4, spread=1e-6), subject) for i, median in enumerate(medians)]
    return join_passes(parts)


def test_passes_are_joined_in_their_order() -> None:
    parts = [measured(np.full((2, 3), median)) for median in (1.0, 2.0)]
    parts[1] = replace(parts[1], settled=False)
    joined = join_passes(parts)
    assert (joined.rounds, joined.passes, joined.settled) == (4, 2, False)
    assert joined.samples_ms == (1.0,) * 6 + (2.0,) * 6
    assert joined.pass_medians.tolist() == [1.0, 2.0]


def test_passes_of_a_clock_that_went_back_have_no_starts() -> None:
    first, second = (replace(measured(np.ones((2, 3))), starts=starts) for starts in ((10.0, 11.0), (2.0, 3.0)))
    assert join_passes([second, first]).starts == (2.0, 3.0, 10.0, 11.0)
    assert join_passes([first, second]).starts == ()


def test_the_floor_of_a_second_run_is_the_prediction_interval_of_one_more_pass() -> None:
    floor = noise_floor(in_passes([1.0, 1.02, 0.98], 0), in_passes([1.01, 1.01, 1.01], 9, "b")).between_runs
    spread = math.sqrt(np.var(np.log([1.0, 1.02, 0.98]), ddof=1) / 2)
    assert floor == pytest.approx(math.exp(4.302653 * math.sqrt(2) * spread), rel=1e-4)  # t of 2 degrees of freedom


def test_the_floor_of_a_second_run_holds_for_a_machine_that_drifts() -> None:
    """Two runs one after the other on a random walk, the hardest case: 88.5% of 20,000; of independent passes 99.5%."""
    held = 0
    for seed in range(200):
        walk = np.exp(0.01 * np.cumsum(np.random.default_rng(seed).standard_normal(10)))
        first = noise_floor(in_passes(list(walk[:5]), seed), in_passes(list(walk[:5]), seed + 1, "b"))
        second = in_passes(list(walk[5:]), seed)
        moved = max(first.first.p50 / second.p50, second.p50 / first.first.p50)
        assert first.between_runs is not None
        held += moved <= first.between_runs
    assert held >= 164  # three standard deviations below


def test_a_run_in_one_pass_says_nothing_of_a_second() -> None:
    assert noise_floor(measured(noisy(1.0, 0)), measured(noisy(1.0, 1), "b")).between_runs is None
