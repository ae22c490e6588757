"""Thresholds agree with scipy, scikit-learn and worked examples, and say when the rows do not suffice."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import beta, genpareto
from sklearn.metrics import f1_score

from penjing.runtime.calibration import (
    Threshold,
    best_f1_threshold,
    beta_quantile,
    conformal_threshold,
    few_rows,
    pot_threshold,
)
from penjing.runtime.errors import BundleError, DataError


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 99), (5, 96), (50, 50), (96, 5), (100, 9901), (1, 100_000)])
@pytest.mark.parametrize("level", [0.025, 0.5, 0.975])
def test_a_beta_quantile_is_that_of_scipy(a: int, b: int, level: float) -> None:
    assert beta_quantile(level, a, b) == pytest.approx(beta.ppf(level, a, b), rel=1e-8)


def test_a_worked_example_of_the_conformal_quantile() -> None:
    # 99 scores 1..99: (1 - 0.05)(99 + 1) = 95, so the threshold is the 95th; a new score is above with 5/100.
    found = conformal_threshold(np.arange(99, 0, -1), 0.05)
    assert (found.method, found.threshold, found.false_alarms, found.n) == ("conformal", 95.0, 0.05, 99)
    assert (found.low, found.high) == pytest.approx(beta.ppf([0.025, 0.975], 5, 95), rel=1e-8)
    assert found.quantiles[:2] == pytest.approx((1.0, 1.98)) and found.quantiles[-1] == 99.0


@pytest.mark.parametrize(("rate", "enough"), [(0.01, 99), (0.05, 19), (0.1, 9), (1 / 3, 2), (0.001, 999)])
def test_as_many_rows_as_the_rate_needs_are_enough_and_one_fewer_is_refused(rate: float, enough: int) -> None:
    scores = np.arange(enough, dtype=float)
    assert conformal_threshold(scores, rate).threshold == enough - 1  # only a new highest score is above
    with pytest.raises(DataError, match=f"^{enough - 1} normal rows cannot tell .* needs at least {enough} "):
        conformal_threshold(scores[1:], rate)


def test_the_realised_rate_lies_in_the_interval_as_often_as_it_says() -> None:
    source, inside, rates = np.random.default_rng(0), 0, []
    for _ in range(400):
        found = conformal_threshold(source.random(200), 0.05)
        rates.append(1 - found.threshold)  # of uniform scores, the share above
        inside += found.low <= rates[-1] <= found.high
    assert np.mean(rates) == pytest.approx(0.05, abs=0.003)
    assert 0.92 < inside / 400 < 0.98


def test_few_rows_are_told_with_what_they_lead_to() -> None:
    few, many = conformal_threshold(np.arange(150.0), 0.01), conformal_threshold(np.arange(2000.0), 0.01)
    assert few_rows(many) is None
    assert str(few_rows(few)).startswith("150 normal rows are few for a false-alarm rate of 0.01: it will lie between")
    assert str(few_rows(few)).endswith("2000 rows would tell it well")


def test_best_f1_is_the_best_of_all_thresholds() -> None:
    source = np.random.default_rng(1)
    for _ in range(30):
        labels = source.random(40) < 0.3
        labels[:2] = (True, False)
        scores = np.round(source.normal(size=40) + labels, 1)  # with ties
        found = best_f1_threshold(scores, labels)
        every = [f1_score(labels, scores > t) for t in [scores.min() - 1, *scores]]
        assert f1_score(labels, scores > found.threshold) == pytest.approx(max(every))
        assert found.n == int((~labels).sum()) and found.false_alarms is None


def test_best_f1_lies_between_the_two_kinds() -> None:
    found = best_f1_threshold([1.0, 2.0, 3.0, 7.0, 8.0], [False, False, False, True, True])
    assert found.threshold == 5.0
    assert (found.low, found.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 3)))  # 0 of 3 normal rows above


@pytest.mark.parametrize(("labels", "kind"), [([True] * 3, "anomalies"), ([False] * 3, "normal rows")])
def test_labels_of_one_kind_are_refused(labels: list[bool], kind: str) -> None:
    with pytest.raises(DataError, match=f"all 3 labelled rows are {kind}: best-f1 needs both"):
        best_f1_threshold([1.0, 2.0, 3.0], labels)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_pot_goes_beyond_the_data_about_as_the_true_distribution_does(shape: float) -> None:
    # One in 100,000 from 5,000 rows: no score of theirs is that high.
    source = np.random.default_rng(2)
    scores = [genpareto.rvs(shape, size=5000, random_state=source) for _ in range(20)]
    found = [pot_threshold(row, 1e-5).threshold for row in scores]
    assert np.median(found) == pytest.approx(genpareto.ppf(1 - 1e-5, shape), rel=0.2)
    assert all(threshold > np.quantile(row, 0.999) for threshold, row in zip(found, scores, strict=True))


def test_pot_realises_a_rate_that_the_data_can_tell() -> None:
    source = np.random.default_rng(3)
    found = pot_threshold(source.normal(size=20_000), 0.001)
    assert 0.0005 < (source.normal(size=400_000) > found.threshold).mean() < 0.002
    assert found.low < 0.001 < found.high


def test_what_pot_cannot_fit_is_refused() -> None:
    with pytest.raises(DataError, match=r"pot needs at least 80 normal rows and a rate of at most 0\.125, there"):
        pot_threshold(np.arange(79.0), 0.001)
    with pytest.raises(DataError, match=r"at most 0\.125, there are 500 and 0.2"):
        pot_threshold(np.arange(500.0), 0.2)
    with pytest.raises(DataError, match="the highest scores are all equal"):
        pot_threshold(np.ones(500), 0.001)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    for choose in (conformal_threshold, pot_threshold):
        with pytest.raises(DataError, match="give one between 0 and 1"):
            choose(np.arange(500.0), rate)


def test_scores_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="2 of 3 scores are not finite"):
        conformal_threshold([1.0, math.nan, math.inf], 0.5)
    with pytest.raises(DataError, match=r"calibrated on scores \[n\], not \[0\]"):
        conformal_threshold([], 0.5)
    with pytest.raises(DataError, match="3 scores have 2 labels"):
        best_f1_threshold([1.0, 2.0, 3.0], [True, False])


def test_a_threshold_goes_through_json_and_back() -> None:
    for found in (conformal_threshold(np.random.default_rng(4).random(99), 0.02), best_f1_threshold([1, 2], [0, 1])):
        assert Threshold.from_plain(json.loads(json.dumps(found.to_plain()))) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "guess"}, "knows conformal, best-f1, pot"),
        ({"threshold": None}, "lacks or misstates"),
        ({"threshold": math.inf}, "not finite"),
        ({"quantiles": [1.0, 2.0]}, "101 ascending quantiles"),
        ({"quantiles": list(range(101, 0, -1))}, "101 ascending quantiles"),
    ],
)
def test_a_misstated_threshold_is_refused(change: dict[str, object], words: str) -> None:
    plain = conformal_threshold(np.arange(99.0), 0.05).to_plain()
    with pytest.raises(BundleError, match=words):
        Threshold.from_plain({**plain, **change})
    del plain["low"]
    with pytest.raises(BundleError, match="lacks or misstates 'low': run `penjing calibrate`"):
        Threshold.from_plain(plain)
