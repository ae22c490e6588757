"""Drift is noticed when scores move, not when they do not, and once each way."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penjing.runtime.calibration import conformal_threshold
from penjing.runtime.drift import ROWS, DriftWatch, psi

SOURCE = np.random.default_rng(0)
NORMAL = SOURCE.gamma(3, size=2000)


def test_a_worked_example_of_the_index() -> None:
    # Half a row is added to each bin: (30.5, 70.5) / 101 against (0.5, 0.5).
    p = np.array([30.5, 70.5]) / 101
    assert psi(np.array([30, 70]), np.array([0.5, 0.5])) == pytest.approx(float(((p - 0.5) * np.log(p / 0.5)).sum()))


def test_ten_bins_of_about_equal_share_lie_below_the_threshold() -> None:
    threshold = conformal_threshold(NORMAL, 0.05)
    watch = DriftWatch(threshold)
    below = NORMAL[threshold.threshold >= NORMAL]
    counts = np.bincount(np.searchsorted(watch.edges, below), minlength=10)
    np.testing.assert_allclose(watch.shares, 0.1, atol=1e-9)
    np.testing.assert_allclose(counts / len(below), 0.1, atol=0.01)


@pytest.mark.parametrize("rows", [40, 200, 2000])
def test_scores_that_do_not_move_give_no_notice_however_few_rows_were_calibrated_on(rows: int) -> None:
    for _ in range(10):
        watch = DriftWatch(conformal_threshold(SOURCE.gamma(3, size=rows), 0.05))
        assert watch.update(SOURCE.gamma(3, size=20 * ROWS), 0) == ()


def test_scores_that_take_few_values_give_no_notice_unless_their_shares_move() -> None:
    watch = DriftWatch(conformal_threshold(SOURCE.poisson(1, 2000), 0.01))
    assert watch.update(SOURCE.poisson(1, 20 * ROWS).astype(float), 0) == ()
    (notice,) = watch.update(SOURCE.poisson(2, 4 * ROWS).astype(float), 0)
    assert notice.kind == "begins"


def test_scores_that_are_all_equal_leave_nothing_to_watch() -> None:
    watch = DriftWatch(conformal_threshold(np.ones(100), 0.05))
    assert watch.update(np.zeros(5 * ROWS), 0) == ()


def test_a_drift_begins_once_and_ends_once() -> None:
    watch = DriftWatch(conformal_threshold(NORMAL, 0.01))
    moved = [SOURCE.gamma(3, size=3 * ROWS), 1.5 + SOURCE.gamma(3, size=8 * ROWS), SOURCE.gamma(3, size=5 * ROWS)]
    begins, ends = watch.update(np.concatenate(moved), first=100)
    assert (begins.kind, ends.kind) == ("begins", "ends")
    assert 100 + 3 * ROWS < begins.sample < 100 + 6 * ROWS and begins.psi > begins.limit >= 0.25
    assert 100 + 11 * ROWS < ends.sample < 100 + 15 * ROWS and ends.psi < ends.limit < begins.limit


def test_samples_above_the_threshold_and_those_without_a_score_are_not_counted() -> None:
    threshold = conformal_threshold(NORMAL, 0.01)
    plain = SOURCE.gamma(3, size=6 * ROWS)
    mixed = np.stack([plain, np.full(len(plain), np.nan), np.full(len(plain), 1e9)], axis=1).ravel()
    assert DriftWatch(threshold).update(mixed, 0) == ()
    drifting = 1.5 + plain
    alone, among = DriftWatch(threshold), DriftWatch(threshold)
    found = alone.update(drifting, 0)
    mixed[::3] = drifting
    assert [(n.psi, 3 * n.sample) for n in found] == [(n.psi, n.sample) for n in among.update(mixed, 0)] != []


def test_cutting_a_series_or_storing_the_state_changes_nothing() -> None:
    threshold = conformal_threshold(NORMAL, 0.01)
    scores = np.concatenate([1.2 + SOURCE.gamma(3, size=5 * ROWS), SOURCE.gamma(3, size=5 * ROWS)])
    whole, watch, notices, first = DriftWatch(threshold).update(scores, 0), DriftWatch(threshold), [], 0
    assert len(whole) == 2
    for part in np.split(scores, [1, 700, 700, 2999, 3000, 8123]):
        notices += watch.update(part, first)
        first += len(part)
        state, watch = json.loads(json.dumps(watch.state())), DriftWatch(threshold)
        watch.restore(state)
    assert tuple(notices) == whole


def test_counts_of_another_calibration_are_dropped() -> None:
    old, new = (DriftWatch(conformal_threshold(NORMAL * scale, 0.01)) for scale in (1, 2))
    old.update(NORMAL[: ROWS - 1], 0)
    fresh = new.state()
    new.restore(old.state())
    assert new.state() == fresh
