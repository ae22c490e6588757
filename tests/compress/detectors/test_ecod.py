from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from numpy.typing import NDArray

from penjing.compress.detectors.ecod import fit_ecod
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.gamma(2, size=(400, 2, 2)) * [1, 100] + [0, 1000]
TEST = RANDOM.gamma(2, size=(80, 2, 2)) * [2, 200] + [0, 1000]


def tails(train: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """ECOD's score of rows [n, features], each within the training data's range, by counting."""
    left = (train[None] <= rows[:, None]).mean(axis=1)
    right = (train[None] >= rows[:, None]).mean(axis=1)
    return np.maximum(-np.log(left), -np.log(right)).sum(axis=1)


def test_few_distinct_values_are_scored_exactly() -> None:
    train = RANDOM.poisson(3, size=(200, 1, 3)).astype(float)
    assert torch_scores(fit_ecod(train), train) == pytest.approx(tails(train[:, 0], train[:, 0]), rel=1e-5)


def test_many_values_are_scored_within_a_tenth_by_64_knots() -> None:
    inside = TEST[(np.clip(TEST, TRAIN.min(axis=0), TRAIN.max(axis=0)) == TEST).all(axis=(1, 2))]
    expected = tails(TRAIN.reshape(400, -1), inside.reshape(len(inside), -1))
    assert len(inside) > 40
    assert torch_scores(fit_ecod(TRAIN), inside) == pytest.approx(expected, abs=0.1 * expected.mean())


def test_the_score_of_a_number_among_five() -> None:
    # 1 2 3 4 10, skewed to the right: at 4 four of five lie left or there, two of five right or there.
    fitted = fit_ecod(np.array([1.0, 2, 3, 4, 10]).reshape(5, 1, 1))
    scores = torch_scores(fitted, np.array([4.0, 10, 1e6, -1e6]).reshape(4, 1, 1))
    assert scores == pytest.approx([np.log(5 / 2), np.log(5), np.log(5), np.log(5)], rel=1e-5)


def test_without_skewness_both_tails_count() -> None:
    fitted = fit_ecod(np.array([-1.0, 0, 1]).reshape(3, 1, 1))
    assert torch_scores(fitted, np.zeros((1, 1, 1))) == pytest.approx([2 * np.log(3 / 2)], rel=1e-5)


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_ecod(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


def test_a_single_knot_is_refused() -> None:
    with pytest.raises(TrainingError, match="knots is 1: give 2 or more"):
        fit_ecod(TRAIN, knots=1)
