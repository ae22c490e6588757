"""Claims of trust and of emulated cores, from made-up figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_run

from penjing.benchmarks.parity import Parity
from penjing.pipeline.experiments.arm_cores import parity_claims, spread_claims
from penjing.pipeline.experiments.trust import claims, harness_cost


def by_name(found: list[dict[str, object]]) -> dict[object, object]:
    return {claim["id"]: claim["value"] for claim in found}


def test_a_pair_counts_that_differs_by_less_than_the_first_runs_floor() -> None:
    def run(p50: float, floor: float) -> dict[str, dict[str, float]]:
        return {"32 tokens, 1 thread": {"p50": p50, "within": 1.01, "floor": floor}}

    near = [run(2.0, 1.02), run(2.03, 1.01)]
    far = [run(2.0, 1.02), run(2.2, 1.3)]
    found = claims([near] * 19 + [far], [1e-4, 2e-4, 3e-4])
    assert by_name(found)["trust.within"] == 0.95 and by_name(found)["trust.inside"] == 0.0
    assert by_name(found)["trust.harness"] == pytest.approx(2e-4)
    assert all(claim["met"] for claim in found)
    missed = claims([near] * 18 + [far] * 2, [0.02])
    assert [claim["id"] for claim in missed if not claim["met"]] == ["trust.within", "trust.harness"]
    assert all(claim.get("why") for claim in missed if not claim["met"])


def test_every_condition_of_a_pair_is_a_comparison() -> None:
    pair = [{words: {"p50": 1.0, "within": 1.0, "floor": 1.0} for words in ("short", "long")}] * 2
    assert {claim["n"] for claim in claims([pair] * 3, [1e-4]) if claim["id"] != "trust.harness"} == {6}


def test_an_empty_call_is_timed_as_a_real_one() -> None:
    cost = harness_cost()
    assert len(cost) == 1000 and min(cost) > 0


def test_parity_takes_the_worst_fp32_file_and_the_flips_of_all_int8_files() -> None:
    run = made_run({label: np.full((3, 3), 1.0) for label in ("a", "b", "c")})
    precisions = ("fp32", "int8", "int8")
    facts = tuple(replace(f, precision=p) for f, p in zip(run.subjects, precisions, strict=True))
    parities = (
        Parity("a", "a", 50, 0, 3e-5, True, ""),
        Parity("b", "b", 50, 1, 0.2, True, ""),
        Parity("c", "c", 150, 0, 0.1, True, ""),
    )
    found = by_name(parity_claims("cortex-a53", [replace(run, subjects=facts, parities=parities)]))
    assert found == {
        "arm.cortex-a53.fp32.largest": 3e-5, "arm.cortex-a53.int8.flips": 0.005, "arm.cortex-a53.int8.worst": 0.02
    }  # fmt: skip


def test_the_spread_is_that_of_the_least_steady_file() -> None:
    (claim,) = spread_claims({"a": {"x": [100_000] * 5}, "b": {"x": [100_000, 100_050], "y": [7, 7]}})
    assert claim["value"] == pytest.approx(5e-4)
