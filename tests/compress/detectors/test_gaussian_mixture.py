from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from penjing.compress.detectors.gaussian_mixture import fit_gaussian_mixture
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 2, 3)) * [1, 10, 0.1] + 5
TRAIN[150:] += [3, 50, 0]
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def test_scores_are_scikit_learns_negative_log_likelihood_and_a_constant() -> None:
    spread = StandardScaler().fit(TRAIN.reshape(-1, 3))
    rows = [spread.transform(x.reshape(-1, 3)).reshape(len(x), -1) for x in (TRAIN, TEST)]
    expected = -GaussianMixture(3, reg_covar=1e-3, random_state=0).fit(rows[0]).score_samples(rows[1])
    scores = torch_scores(fit_gaussian_mixture(TRAIN), TEST)
    assert scores - scores[0] == pytest.approx(expected - expected[0], rel=1e-4, abs=1e-4)
    assert scores.min() >= 0


def test_one_component_is_half_the_squared_distance() -> None:
    # Mean 0 and variance 1, with the regularization 1.001.
    fitted = fit_gaussian_mixture(np.array([-1.0, 1.0]).reshape(2, 1, 1), components=1)
    assert torch_scores(fitted, np.array([[[3.0]]])) == pytest.approx([9 / 2 / 1.001], rel=1e-6)


def test_a_constant_channel_is_fitted_and_missed() -> None:
    rows = np.concatenate([TRAIN, np.full((300, 2, 1), 7.0)], axis=2)
    fitted = fit_gaussian_mixture(rows)
    inside, outside = torch_scores(fitted, np.stack([rows[0], rows[0] + [0, 0, 0, 1]]))
    assert outside > inside + 100


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_gaussian_mixture(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


def test_more_components_than_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="components is 3, there are 2 rows"):
        fit_gaussian_mixture(TRAIN[:2])
