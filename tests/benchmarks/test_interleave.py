"""The timing loop: which calls are made, in which order, and which are timed."""

from __future__ import annotations

from itertools import groupby

import pytest

from penjing.benchmarks.interleave import PACE_SECONDS, Loop, interleave, run_loop
from penjing.benchmarks.memory import peak_rss_mb
from penjing.benchmarks.plan import Plan


def test_every_round_runs_every_call_on_the_same_inputs() -> None:
    made: list[tuple[str, int]] = []
    calls = [lambda i, name=name: made.append((name, i)) for name in "abc"]
    times = interleave(calls, rounds=4, repeats=2, seed=0, title="test")
    after_warm_up = made[-4 * 3 * 3 :]
    assert {i for _, i in made[: -len(after_warm_up)]} == {0}
    blocks = [after_warm_up[i : i + 3] for i in range(0, len(after_warm_up), 3)]
    for r in range(4):
        in_round = blocks[3 * r : 3 * r + 3]
        assert {block[0][0] for block in in_round} == set("abc")
        for block in in_round:  # one untimed call, then the timed ones
            assert [i for _, i in block] == [2 * r, 2 * r, 2 * r + 1]
    assert [t.shape for t in times] == [(4, 2)] * 3
    assert all((t > 0).all() for t in times)


def test_the_order_of_the_rounds_varies_and_depends_on_the_seed_alone() -> None:
    def order(seed: int) -> list[str]:
        made: list[str] = []
        interleave(
            [lambda i, name=name: made.append(name) for name in "abc"], rounds=12, repeats=1, seed=seed, title=""
        )
        return [name for name, _ in groupby(made[-12 * 3 * 2 :])]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert len(set(zip(*[iter(order(1))] * 3, strict=False))) > 1


def test_a_paced_run_rests_before_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr("penjing.benchmarks.interleave.time.sleep", rests.append)
    made: list[int] = []
    (timing,) = run_loop([made.append], Loop(rounds=3, repeats=2, seed=0, title="", paced=True))
    assert rests == [PACE_SECONDS] * 6
    assert made[-6:] == [0, 1, 2, 3, 4, 5]
    assert timing.blocks.shape == (3, 2)


def test_a_sustained_run_lasts_its_seconds_and_keeps_every_round_s_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penjing.benchmarks.interleave.ROUND_SECONDS", 0.02)
    watched: list[None] = []
    loop = Loop(rounds=1, repeats=3, seed=0, title="", seconds=0.2, watch=lambda: watched.append(None))
    timings = run_loop([lambda i: None, lambda i: None], loop)
    rounds = len(timings[0].blocks)
    assert 2 <= rounds <= 40
    assert all(timing.blocks.shape == (rounds, 3) and len(timing.starts) == rounds for timing in timings)
    assert all(list(timing.starts) == sorted(timing.starts) for timing in timings)
    assert len(watched) == rounds + 1


def test_the_peak_memory_grows_with_what_is_held() -> None:
    before = peak_rss_mb()
    block = bytearray(b"x" * 120_000_000)
    after = peak_rss_mb()
    assert before is not None
    assert after is not None
    assert after >= len(block) / 1e6
    assert after >= before


def test_a_plan_that_measures_nothing_is_refused() -> None:
    for wrong in ({"texts": ()}, {"threads": ()}, {"rounds": 0}, {"lengths": (1,)}):
        try:
            Plan(**{"texts": ("a",), **wrong})  # type: ignore[arg-type]
        except ValueError:
            continue
        raise AssertionError(f"{wrong} was accepted")
