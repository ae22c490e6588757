"""NAB's score: the official scorer's figures on made-up series, a worked example, and what must score 0 and 100."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penjing.benchmarks.nab import PROFILES, NabSeries, nab_score, sweep
from penjing.runtime.errors import DataError

OFFICIAL = {
    "standard": 15.293379608417819,
    "reward_low_FP_rate": 3.427051985920855,
    "reward_low_FN_rate": 36.86225307227855,
}
"""Of `made_up()`, by nab/sweeper.py of github.com/numenta/NAB at ea702d75, threshold searched."""


def made_up() -> list[NabSeries]:
    """Three series of 400, 900 and 6000 rows with windows at several places, one of them reaching out of the probation
    and one without; scores in steps of 0.01, so that many are equal."""
    rng = np.random.default_rng(7)
    series = []
    for n, spans in ((400, [(100, 140), (300, 310)]), (900, []), (6000, [(700, 800), (2000, 2300), (5950, 6000)])):
        labels = np.zeros(n, bool)
        for start, end in spans:
            labels[start:end] = True
        scores = rng.beta(1, 12, n) + np.where(labels & (rng.random(n) < 0.04), 0.2, 0.0)
        series.append(NabSeries(np.round(np.minimum(scores, 1.0), 2), labels))
    return series


@pytest.mark.parametrize("profile", PROFILES)
def test_the_score_is_the_official_scorers(profile: str) -> None:
    assert nab_score(made_up(), profile).score == pytest.approx(OFFICIAL[profile], abs=1e-9)


def test_a_worked_example() -> None:
    labels = np.zeros(100, bool)
    labels[40:60] = True
    scores = np.zeros(100)
    scores[[50, 70]] = 1.0  # halfway into the window, and ten rows behind its end
    found = nab_score([NabSeries(scores, labels)], threshold=0.5)
    hit = math.tanh(2.5 * 10 / 20) / math.tanh(2.5)
    miss = -0.11 * math.tanh(2.5 * 11 / 19)
    assert found.score == pytest.approx(100 * (hit + miss + 1) / 2)
    assert (found.found, found.windows) == (1, 1)


def test_nothing_found_is_0_and_the_first_row_of_every_window_is_100() -> None:
    labels = np.zeros(100, bool)
    labels[40:50] = labels[80:90] = True
    quiet = NabSeries(np.zeros(100), labels)
    assert nab_score([quiet], threshold=0.5).score == 0.0
    scores = np.zeros(100)
    scores[[40, 80]] = 1.0
    for profile in PROFILES:
        found = nab_score([NabSeries(scores, labels)], profile)
        assert found.score == pytest.approx(100.0) and found.threshold == 1.0


def test_only_the_best_detection_of_a_window_counts_and_the_probation_does_not() -> None:
    labels = np.zeros(100, bool)
    labels[40:60] = True
    once, often = np.zeros(100), np.zeros(100)
    once[42] = 1.0
    often[[3, 14, 42, 50, 59]] = 1.0  # rows 0 to 14 are probation
    scores = [nab_score([NabSeries(s, labels)], threshold=0.5).score for s in (once, often)]
    assert scores[0] == scores[1]


def test_the_best_threshold_is_never_worse_than_another() -> None:
    series = made_up()
    best = nab_score(series)
    others = [nab_score(series, threshold=t / 20).score for t in range(1, 20)]
    assert best.score >= max(others)
    assert nab_score(series, threshold=best.threshold).score == best.score


def test_rows_without_a_score_are_never_detected() -> None:
    labels = np.zeros(40, bool)
    labels[20:30] = True
    found = nab_score([NabSeries(np.full(40, -np.inf), labels)])
    assert (found.score, found.found) == (0.0, 0)


def test_a_false_alarm_costs_more_the_farther_behind_a_window() -> None:
    labels = np.zeros(100, bool)
    labels[20:30] = True
    worth, window = sweep(labels, PROFILES["standard"])
    assert worth[0] == -0.11  # before any window, all of it
    assert (np.diff(worth[20:57]) < 0).all()
    assert (worth[57:] == -0.11).all()  # three windows behind
    assert window.tolist() == [-1] * 20 + [0] * 10 + [-1] * 70


def test_bad_input_is_refused_in_words() -> None:
    with pytest.raises(DataError, match="no profile 'strict'"):
        nab_score(made_up(), "strict")
    with pytest.raises(DataError, match="needs a window of anomaly"):
        nab_score([NabSeries(np.zeros(4), np.zeros(4, bool))])
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        NabSeries(np.array([0.0, np.nan]), np.zeros(2, bool))
