from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores

from penjing.compress.detectors.hbos import fit_hbos
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(100, 2, 3)) * [2, 20, 0.2] + 5


def test_scores_are_those_of_pyods_rules() -> None:
    train, test = TRAIN.reshape(300, -1), TEST.reshape(100, -1)
    expected = np.zeros(100)
    for column, values in zip(train.T, test.T, strict=True):
        density, edges = np.histogram(column, bins=10, density=True)
        surprise, width = -np.log2(density + 0.1), edges[1] - edges[0]
        inside = surprise[np.clip(np.digitize(values, edges) - 1, 0, 9)]
        beyond = (values < edges[0] - width / 2) | (values > edges[-1] + width / 2)
        expected += np.where(beyond, surprise.max(), inside)
    assert torch_scores(fit_hbos(TRAIN), TEST) == pytest.approx(expected, rel=1e-4)


def test_whole_numbers_fall_into_the_bins_that_counted_them() -> None:
    # 0 to 9 with counts 1 to 10: ten bins 0.9 wide, so that numbers lie on edges or near them.
    numbers = np.repeat(np.arange(10.0), np.arange(1, 11)).reshape(-1, 1, 1)
    scores = torch_scores(fit_hbos(numbers), np.arange(10.0).reshape(-1, 1, 1))
    assert (np.diff(scores) < 0).all()
    assert scores == pytest.approx(-np.log2(np.arange(1, 11) / 55 / 0.9 + 0.1), rel=1e-5)


def test_values_far_outside_are_as_rare_as_the_rarest_bin_and_a_half_bin_is_tolerated() -> None:
    train = np.array([0.0] * 9 + [5.0] * 90 + [10.0]).reshape(-1, 1, 1)  # bins are 1 wide
    empty, first = -np.log2(0.1), -np.log2(0.09 + 0.1)
    scores = torch_scores(fit_hbos(train), np.array([-0.4, -0.6, -1e9, 1e9]).reshape(-1, 1, 1))
    assert scores == pytest.approx([first, empty, empty, empty], rel=1e-5)


def test_a_constant_channel_has_a_range_of_1_around_its_value() -> None:
    scores = torch_scores(fit_hbos(np.full((20, 1, 1), 0.1)), np.array([0.1, 0.4, 5.0]).reshape(3, 1, 1))
    assert scores == pytest.approx([-np.log2(10.1), -np.log2(0.1), -np.log2(0.1)], rel=1e-5)


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_hbos(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


def test_a_single_bin_is_refused() -> None:
    with pytest.raises(TrainingError, match="bins is 1: give 2 or more"):
        fit_hbos(TRAIN, bins=1)
