"""Splits of samples: which rows go where, that no row is in two parts, and the built-in data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from penjing.compress.bearings import FEATURES, LARGEST, Bearings, simulate_bearings
from penjing.compress.load_samples import load_samples
from penjing.compress.sample_splits import Shares, hold_out_end, split_series, split_table
from penjing.compress.samples import SampleSet
from penjing.pipeline.detection.sections import Samples
from penjing.runtime.errors import DataError


def numbered(n: int, anomalies: Any) -> SampleSet:
    """Rows that hold their own number."""
    labels = np.zeros(n, np.int64)
    labels[anomalies] = 1
    return SampleSet(np.arange(float(n))[:, None], labels, np.arange(float(n)), ("number",))


def numbers(part: SampleSet) -> set[int]:
    return set(part.rows.reshape(-1).astype(int).tolist())


@pytest.fixture(scope="module")
def bearings() -> Bearings:
    return simulate_bearings()


def test_a_table_trains_on_part_of_its_normal_rows_and_tests_on_every_anomaly() -> None:
    parts = split_table(numbered(120, slice(100, 120)), Shares(0.4, 0.1), 1, "there")
    assert [len(part) for part in (parts.train, parts.calibrate, parts.test)] == [40, 10, 70]
    assert numbers(parts.test) >= set(range(100, 120))
    assert numbers(parts.train) | numbers(parts.calibrate) | numbers(parts.test) == set(range(120))
    again, other = (split_table(numbered(120, slice(100, 120)), Shares(0.4, 0.1), seed, "there") for seed in (1, 2))
    assert numbers(again.train) == numbers(parts.train) != numbers(other.train)


def test_a_contaminated_table_trains_on_its_share_of_anomalies() -> None:
    parts = split_table(numbered(120, slice(100, 120)), Shares(0.4, 0.1, contaminated=True), 1, "there")
    assert [int((~part.normal).sum()) for part in (parts.train, parts.calibrate, parts.test)] == [8, 2, 10]


def test_a_threshold_by_labels_gets_anomalies_to_calibrate_on() -> None:
    parts = split_table(numbered(120, slice(100, 120)), Shares(0.4, 0.1, anomalies_calibrate=True), 1, "there")
    assert [int((~part.normal).sum()) for part in (parts.train, parts.calibrate, parts.test)] == [0, 2, 18]


def test_a_series_is_cut_in_order_with_a_gap_of_one_window_before_calibration() -> None:
    parts = split_series(numbered(100, []), Shares(0.4, 0.1), 6, 1, "there")
    assert numbers(parts.train) == set(range(34))
    assert numbers(parts.calibrate) == set(range(40, 50))
    assert numbers(parts.test) == set(range(50, 100))


def test_windows_that_touch_an_anomaly_do_not_train() -> None:
    train, calibrate = hold_out_end(numbered(60, [20]), 0.2, False, 4, 2, "there")
    assert train.rows.shape[1:] == (4, 1)
    starts = train.rows[:, 0, 0].astype(int).tolist()
    assert starts == [*range(0, 17, 2), *range(22, 41, 2)]
    assert (np.diff(train.rows[:, :, 0], axis=1) == 1).all()  # no window reaches over what was taken out
    assert numbers(calibrate) == set(range(48, 60))
    kept, _ = hold_out_end(numbered(60, [20]), 0.2, True, 4, 2, "there")
    assert numbers(kept) == set(range(44)) and kept.rows.ndim == 2


def test_a_part_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="0 rows would be left for calibration"):
        split_table(numbered(12, []), Shares(0.4, 0.01), 1, "there")


def test_a_file_of_anomalies_is_tested_with_normal_rows_of_the_training_file(tmp_path: Path) -> None:
    (tmp_path / "normal").write_text("\n".join(["1 2 3"] * 50))
    (tmp_path / "abnormal").write_text("\n".join(["3 2 1 1 1"] * 7))
    section = Samples(
        kind="events", train=f"{tmp_path}/normal", test=f"{tmp_path}/abnormal", test_label="all anomalies", window=4
    )
    found = load_samples(section, Path, 1)
    assert [len(part) for part in (found.train, found.calibrate, found.test)] == [20, 5, 32]
    assert found.test.labels is not None and found.test.labels.tolist() == [0] * 25 + [1] * 7
    assert found.notes[0] == "7 of 7 sessions of abnormal have more than 4 events; their first 4 are kept."


def test_a_limit_draws_rows_of_a_table_and_takes_the_start_of_a_series(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.random.default_rng(0).random((500, 2)))
    drawn = load_samples(Samples(train=f"{tmp_path}/a.npz::X", limit=100), Path, 1)
    assert len(drawn.train) + len(drawn.calibrate) + len(drawn.test) == 100
    start = load_samples(Samples(kind="series", train=f"{tmp_path}/a.npz::X", limit=100), Path, 1)
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(start.test.rows, arrays["X"][50:100])


def test_breast_cancer_is_benign_in_training_and_has_every_tumour_in_its_test() -> None:
    found = load_samples(Samples(train="breast-cancer"), Path, 1)
    assert (len(found.train), len(found.calibrate), len(found.test)) == (143, 36, 390)
    assert found.train.normal.all() and int((~found.test.normal).sum()) == 212
    assert len(found.train.features) == 30 and found.train.features[0] == "mean_radius"
    with pytest.raises(DataError, match=r"set data.kind: table"):
        load_samples(Samples(kind="series", train="breast-cancer"), Path, 1)


def test_bearings_train_healthy_and_their_faults_grow(bearings: Bearings) -> None:
    assert bearings.train.normal.all()
    np.testing.assert_array_equal(bearings.test.labels == 1, bearings.fault != "")
    assert bearings.size.max() == pytest.approx(LARGEST)
    assert bearings.train.features == FEATURES
    assert np.isfinite(bearings.train.rows).all() and np.isfinite(bearings.test.rows).all()


def test_a_fault_shows_in_the_envelope_at_its_own_frequency(bearings: Bearings) -> None:
    rows, large = bearings.test.rows, bearings.size > 2
    healthy = rows[bearings.fault == ""]
    for fault, other in (("outer", "inner"), ("inner", "outer")):
        own, foreign = (FEATURES.index(f"envelope_{name}") for name in (fault, other))
        hit = rows[(bearings.fault == fault) & large]
        assert hit[:, own].mean() > np.percentile(healthy[:, own], 99)
        assert hit[:, own].mean() > hit[:, foreign].mean()


def test_small_faults_are_hard_and_large_ones_easy_for_max_z(bearings: Bearings) -> None:
    location, scale = bearings.train.rows.mean(axis=0), bearings.train.rows.std(axis=0)
    scores = np.abs((bearings.test.rows - location) / scale).max(axis=1)
    healthy = bearings.size == 0
    small, large = healthy | (bearings.size > 0) & (bearings.size < 0.9), healthy | (bearings.size > 2.8)
    assert 0.5 < roc_auc_score(~healthy[small], scores[small]) < 0.75
    assert roc_auc_score(~healthy[large], scores[large]) > 0.97


def test_the_recipes_view_of_bearings_has_no_row_twice(bearings: Bearings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penjing.compress.load_samples.simulate_bearings", lambda: bearings)
    found = load_samples(Samples(kind="series", train="bearings", features=("rms", "kurtosis"), window=8), Path, 1)
    assert found.train.rows.shape == (1792, 2) and found.calibrate.rows.shape == (200, 2)
    assert found.train.times is not None and found.calibrate.times is not None
    assert found.calibrate.times[0] - found.train.times[-1] == 60 * 9  # a window of 8 lies between
