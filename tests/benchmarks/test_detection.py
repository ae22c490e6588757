"""Quality of detectors: worked examples, parity with scikit-learn and with known intervals, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from penjing.benchmarks.detection import (
    alarm_rates,
    auc_pr,
    auc_roc,
    count_estimate,
    event_scores,
    runs,
    share_estimate,
)
from penjing.runtime.errors import DataError


def test_a_worked_example_of_ranking_and_rates() -> None:
    scores, labels = [0.1, 0.4, 0.35, 0.8, 0.2], [0, 0, 1, 1, 0]
    assert auc_roc(scores, labels).value == pytest.approx(5 / 6)  # one of six pairs is the wrong way round
    assert auc_pr(scores, labels).value == pytest.approx((1 + 2 / 3) / 2)
    rates = alarm_rates(scores, labels, 0.35)  # a score at the threshold is no alarm
    assert (rates.recall.value, rates.false_alarms.value) == (0.5, pytest.approx(1 / 3))
    assert (rates.anomalies, rates.normals) == (2, 3)


def test_the_wilson_interval_is_newcombes_worked_example() -> None:
    found = share_estimate(81 / 263, 263)  # Newcombe 1998, table I, method 3
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert share_estimate(0.0, 20).low == 0.0 and 0.15 < share_estimate(0.0, 20).high < 0.17


def test_no_event_in_a_day_may_still_mean_almost_four() -> None:
    found = count_estimate(0, 1.0)
    assert (found.value, found.low) == (0.0, 0.0) and found.high == pytest.approx(3.84, abs=0.01)


@pytest.mark.parametrize("shift", [0.5, 1.5])
def test_the_auc_interval_holds_the_true_area_about_as_often_as_it_says(shift: float) -> None:
    from math import erf

    truth = 0.5 * (1 + erf(shift / 2))  # of two normal distributions this far apart
    rng = np.random.default_rng(0)
    labels = np.repeat([True, False], [30, 60])
    held = 0
    for _ in range(200):
        found = auc_roc(rng.normal(size=90) + shift * labels, labels)
        held += found.low <= truth <= found.high
    assert 0.9 <= held / 200 <= 0.99


def test_a_perfect_area_still_has_an_interval() -> None:
    labels = np.repeat([True, False], [5, 20])
    scores = labels + np.linspace(0, 0.5, 25)
    for found in (auc_roc(scores, labels), auc_pr(scores, labels)):
        assert found.value == found.high == 1.0
        assert 0.4 < found.low < 0.95


def test_the_area_is_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 5, 200).astype(float), rng.random(200) < 0.2
    assert auc_roc(scores, labels).value == pytest.approx(roc_auc_score(labels, scores))


def test_a_worked_example_of_events() -> None:
    labels = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0])
    alarms = np.array([1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0])
    found = event_scores(alarms, labels, period_seconds=3600)
    assert (found.events, found.found, found.false_alarms) == (2, 1, 3)
    assert (found.precision, found.recall) == (0.25, 0.5)
    assert found.f1 == pytest.approx(1 / 3)
    assert found.a_day is not None and found.a_day.value == pytest.approx(3 * 24 / 8)  # of eight normal hours
    late = event_scores(alarms, labels, tolerance=1)
    assert late.false_alarms == 2  # the alarm that lasted a row longer than its event is forgiven
    assert late.a_day is None


def test_an_alarm_that_never_ends_does_not_win() -> None:
    labels = np.zeros(100, bool)
    labels[20:30] = labels[60:70] = True
    found = event_scores(np.ones(100, bool), labels)
    assert (found.recall, found.false_alarms) == (1.0, 3)
    assert found.precision == 0.4


def test_a_quiet_detector_has_no_precision() -> None:
    found = event_scores(np.zeros(4, bool), np.array([0, 1, 0, 0]))
    assert (found.precision, found.recall, found.f1) == (0.0, 0.0, 0.0)


def test_runs_have_open_ends() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.zeros(3, bool)) == []


def test_bad_input_is_refused_in_words() -> None:
    with pytest.raises(DataError, match="all 3 rows are normal by their labels: quality needs both kinds"):
        auc_roc([1.0, 2.0, 3.0], [0, 0, 0])
    with pytest.raises(DataError, match="1 of 2 scores are not finite"):
        auc_pr([1.0, np.nan], [0, 1])
    with pytest.raises(DataError, match=r"scores are \[3\], labels \[2\]"):
        alarm_rates([1.0, 2.0, 3.0], [0, 1], 0.5)
    with pytest.raises(DataError, match=r"alarms are \[3\], labels \[2\]"):
        event_scores([0, 0, 1], [0, 1])
