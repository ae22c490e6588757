from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores

from penjing.compress.detectors.robust_z import fit_robust_z
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)


def test_the_score_is_the_largest_z_of_the_last_rows_channels() -> None:
    train = np.array(
        [[[9.0, 9.0], [-1.0, 10.0]], [[9.0, 9.0], [1.0, 30.0]]]
    )  # last rows: means 0, 20; deviations 1, 10
    sample = np.array([[[77.0, 77.0], [2.0, -10.0]]])
    assert torch_scores(fit_robust_z(train), sample).tolist() == [3.0]


def test_the_median_absolute_deviation_is_not_moved_by_a_tenth_of_outliers() -> None:
    clean = RANDOM.normal(size=(2000, 1, 1))
    dirty = np.concatenate([clean, np.full((200, 1, 1), 50.0)])
    sample = np.full((1, 1, 1), 4.0)
    mean, median = (torch_scores(fit_robust_z(dirty, statistics=name), sample)[0] for name in ("mean", "median"))
    assert median == pytest.approx(4, abs=0.8)
    assert mean < 1


def test_a_constant_channel_keeps_its_unit_and_one_that_mostly_rests_its_deviation() -> None:
    train = np.full((10, 1, 2), 0.1)
    train[0, 0, 1] = 1.1  # deviation 0.3, MAD 0
    scores = torch_scores(fit_robust_z(train, statistics="median"), np.array([[[2.1, 0.1]], [[0.1, 1.0]]]))
    assert scores == pytest.approx([2, 3], rel=1e-5)


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_robust_z(RANDOM.normal(size=(100, 3, 4)) * [1, 10, 0.1, 5] + 7)
    samples = RANDOM.normal(size=(20, 3, 4)) * 10
    for scores in exported_scores(fitted, samples, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, samples), rel=1e-4)


def test_rows_that_are_not_finite_are_counted() -> None:
    with pytest.raises(TrainingError, match="robust_z: 1 of 5 rows hold values that are not finite"):
        fit_robust_z(np.array([1.0, 2.0, np.nan, 4.0, 5.0]).reshape(5, 1, 1))
