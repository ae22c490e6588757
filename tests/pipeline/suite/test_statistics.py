"""Means, differences and verdicts: against scipy, closed forms, and a worked example."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from penjing.benchmarks.log_ratios import holm
from penjing.pipeline.suite.statistics import compare_all, contrasts


def table(rows: dict[str, list[float]]) -> dict[str, dict[int, float]]:
    return {cell: dict(enumerate(values)) for cell, values in rows.items()}


def test_two_cells_are_compared_by_the_paired_t_test() -> None:
    rows = {"base": [0.81, 0.84, 0.80, 0.83], "new": [0.85, 0.86, 0.83, 0.88]}
    found = contrasts(table(rows), "base")["new"]
    expected = ttest_rel(rows["new"], rows["base"])
    low, high = expected.confidence_interval()
    assert found.difference == pytest.approx(np.mean(rows["new"]) - np.mean(rows["base"]))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_more_cells_share_the_spread_of_randomized_blocks() -> None:
    """The closed form: the residual of cell + seed has (cells - 1)(seeds - 1) degrees of freedom."""
    values = np.random.default_rng(1).normal(0.8, 0.01, size=(5, 3))
    found = contrasts(table({str(c): row.tolist() for c, row in enumerate(values)}), "0")
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    freedom = 4 * 2
    error = math.sqrt(2 / 3 * (residual**2).sum() / freedom)
    for c in range(1, 5):
        difference = values[c].mean() - values[0].mean()
        assert found[str(c)].difference == pytest.approx(difference)
        assert found[str(c)].p == pytest.approx(2 * t.sf(abs(difference) / error, freedom))
        assert found[str(c)].high == pytest.approx(difference + t.ppf(0.975, freedom) * error)


def test_a_seed_that_shifts_every_cell_alike_does_not_hide_a_difference() -> None:
    shifts, noise = np.array([0.0, 0.1, -0.1]), np.array([0.001, -0.001, 0.0])
    rows = {"base": (0.8 + shifts).tolist(), "new": (0.82 + shifts + noise).tolist()}
    assert compare_all(table(rows), "base")["new"].verdict == "better"


def test_a_missing_value_is_no_zero() -> None:
    values = table({"base": [0.80, 0.81, 0.82], "new": [0.85, 0.86, 0.87], "other": [0.70, 0.71, 0.725]})
    del values["new"][1]
    found = contrasts(values, "base")
    assert found["new"].difference == pytest.approx(0.05, abs=0.002)
    assert found["other"].p is not None and found["other"].p < 0.01


def test_holm_on_a_worked_example() -> None:
    """Four p: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which may not fall below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_many_comparisons_take_a_verdict_back() -> None:
    """One of two differs at 5% alone; among ten others that do not, it may be chance."""
    rows = {"base": [0.80, 0.81, 0.80], "new": [0.815, 0.81, 0.815]}
    random = np.random.default_rng(3)
    others = {f"n{i}": (0.8033 + random.normal(0, 0.005, 3)).tolist() for i in range(10)}
    found = compare_all(table({**rows, **others}), "base")["new"]
    alone = contrasts(table({**rows, **others}), "base")["new"]
    assert alone.p is not None and alone.p < 0.05
    assert found.verdict == "not different" and "becomes" in found.reason


def test_worse_is_said_and_a_lower_metric_may_be_the_better_one() -> None:
    rows = table({"base": [0.10, 0.11, 0.12], "new": [0.05, 0.06, 0.0701]})
    assert compare_all(rows, "base")["new"].verdict == "worse"
    assert compare_all(rows, "base", lower_is_better=True)["new"].verdict == "better"


def test_one_seed_tells_nothing() -> None:
    found = compare_all(table({"base": [0.8], "new": [0.9]}), "base")["new"]
    assert (found.verdict, found.low) == ("cannot say", None)
    assert "more seeds" in found.reason


def test_equal_cells_are_not_different() -> None:
    found = compare_all(table({"base": [0.8, 0.9], "new": [0.8, 0.9]}), "base")["new"]
    assert (found.verdict, found.difference) == ("not different", pytest.approx(0))


def test_a_cell_that_shares_no_seed_with_the_baseline_is_left_out() -> None:
    values = {"base": {1: 0.8, 2: 0.81}, "new": {3: 0.9}, "both": {1: 0.82, 2: 0.83}}
    assert compare_all(values, "base").keys() == {"both"}
    assert compare_all({"new": {1: 0.8}}, "base") == {}
