"""When a warm-up ends: on series whose change-points are known."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np
import pytest

from penjing.benchmarks.warm_up import FEWEST_STEADY, MOST_CALLS, last_change, warm_up

RANDOM = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def same_random_numbers_in_any_order_of_tests() -> None:
    RANDOM.bit_generator.state = np.random.default_rng(2).bit_generator.state


def level(ms: float, calls: int, spread: float = 0.01) -> list[float]:
    return list(ms * np.exp(RANDOM.normal(scale=spread, size=calls)))


def test_a_series_of_one_level_has_no_change() -> None:
    found = [last_change(level(2.0, 40, spread)) for spread in (0.003, 0.02, 0.1) for _ in range(100)]
    assert np.mean(np.array(found) > 0) < 0.05


def test_the_change_is_found_where_it_is() -> None:
    for before in (5, 12, 30):
        assert last_change(level(3.0, before) + level(2.0, 30)) == before


def test_a_step_between_levels_without_noise_is_found() -> None:
    for spread in (5e-4, 1e-4, 0.0):
        assert last_change(level(9.0, 6, spread) + level(2.0, 30, spread)) == 6


def test_the_last_of_several_changes_counts() -> None:
    assert last_change(level(9.0, 4) + level(4.0, 10) + level(2.0, 20)) == 14


def test_one_slow_call_is_not_a_level() -> None:
    assert last_change([*level(2.0, 15), 40.0, *level(2.0, 15)]) == 0


def test_equal_times_are_settled() -> None:
    assert last_change([5.0] * 30) == 0
    assert last_change([7.0] * 10 + [5.0] * 10) == 10
    assert last_change([5.0] * 15 + [40.0] + [5.0] * 15) == 0


def clock_of(times: Iterator[float]) -> tuple[list[int], Iterator[int]]:
    """A clock on which call i takes the i-th of `times` ms; the list counts the calls."""
    calls: list[int] = []

    def ticks() -> Iterator[int]:
        now = 0
        for ms in times:
            yield now
            now += round(ms * 1e6)
            yield now

    return calls, ticks()


def test_a_warm_up_goes_on_until_ten_calls_are_steady() -> None:
    calls, ticks = clock_of(iter(level(9.0, 6) + level(2.0, 100)))
    made, settled = warm_up(lambda: calls.append(1), clock=lambda: next(ticks))
    assert settled
    assert made == len(calls)
    assert 6 + FEWEST_STEADY <= made <= 6 + 2 * FEWEST_STEADY


def test_times_that_never_settle_are_given_up_and_said() -> None:
    falling = (10.0 * 0.97**i for i in range(10_000))
    calls, ticks = clock_of(falling)
    assert warm_up(lambda: calls.append(1), clock=lambda: next(ticks)) == (MOST_CALLS, False)
    calls, ticks = clock_of(chain([2000.0], repeat(1.0)))
    assert warm_up(lambda: calls.append(1), clock=lambda: next(ticks)) == (1, False)
