from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import LinearRegression

from penjing.compress.detectors.forecaster import Regression, fit_forecaster
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
DAY = np.sin(np.arange(700) / 10)
SERIES = np.stack([DAY, 5 * DAY + 20], axis=1) + RANDOM.normal(size=(700, 2)) * [0.05, 0.25]
"""A load that follows the time of day, and a temperature that follows the load."""
WINDOWS = sliding_window_view(SERIES, 4, axis=0).transpose(0, 2, 1)


def test_residuals_are_scikit_learns_in_their_deviations() -> None:
    fitted = fit_forecaster(WINDOWS, regression="ols", other_channels=False, over_channels="max")
    lags = WINDOWS[:, :3].reshape(len(WINDOWS), -1)
    residuals = WINDOWS[:, 3] - LinearRegression().fit(lags, WINDOWS[:, 3]).predict(lags)
    mad = np.median(np.abs(residuals - np.median(residuals, axis=0)), axis=0)
    expected = (np.abs(residuals) / (1.4826 * mad)).max(axis=1)
    assert torch_scores(fitted, WINDOWS) == pytest.approx(expected, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("regression", ["ols", "ridge", "lasso", "elastic-net", "huber"])
def test_a_usual_value_at_the_wrong_time_is_found(regression: Regression) -> None:
    contextual = WINDOWS[:50].copy()
    contextual[:, 3, 1] = 20 - (contextual[:, 3, 1] - 20)  # mirrored: as usual a value, but against the load
    odd = np.abs(contextual[:, 3, 0]) > 0.5
    fitted = fit_forecaster(WINDOWS, regression=regression)
    assert odd.sum() > 20
    assert torch_scores(fitted, contextual[odd]).min() > 2 * np.quantile(torch_scores(fitted, WINDOWS), 0.99)


def test_rows_of_a_table_are_predicted_from_their_other_channels() -> None:
    fitted = fit_forecaster(WINDOWS[:, :1])
    usual, odd = torch_scores(fitted, np.array([[[0.8, 24.0]], [[0.8, 16.0]]]))
    assert odd > 10 > usual


def test_a_channel_that_mostly_rests_is_measured_by_its_movements_too() -> None:
    series = RANDOM.normal(size=(500, 2, 1))
    resting = np.where(RANDOM.random((500, 2, 1)) < 0.1, 5.0, 0.0)
    fitted = fit_forecaster(np.concatenate([series, resting], axis=2), regression="huber")
    assert torch_scores(fitted, np.array([[[0.0, 0.0], [0.0, 5.0]]]))[0] < 10


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_forecaster(WINDOWS)
    samples = RANDOM.normal(size=(20, 4, 2)) * 10
    for scores in exported_scores(fitted, samples, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, samples), rel=1e-4)


def test_a_single_value_has_no_context() -> None:
    with pytest.raises(TrainingError, match=r"nothing to predict 1 channel\(s\) from: set data.window to 2"):
        fit_forecaster(WINDOWS[:, :1, :1])
