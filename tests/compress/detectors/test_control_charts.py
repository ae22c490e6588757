from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores

from penjing.compress.detectors.control_charts import fit_cusum, fit_ewma
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(400, 12, 3)) * [1, 10, 0.1] + 5
SHIFTED = TRAIN[:40] + np.array([0, 15, 0])
"""One channel 1.5 deviations up: less than single samples vary."""


def test_ewma_is_the_recursive_chart_begun_with_the_window() -> None:
    rows = TRAIN.reshape(-1, 3)
    z = (SHIFTED - rows.mean(axis=0)) / rows.std(axis=0)
    chart, variance = np.zeros((40, 3)), 0.0
    for step in range(12):
        chart, variance = 0.7 * chart + 0.3 * z[:, step], 0.49 * variance + 0.09
    expected = np.abs(chart).max(axis=1) / np.sqrt(variance)
    assert torch_scores(fit_ewma(TRAIN, smoothing=0.3), SHIFTED) == pytest.approx(expected, rel=1e-4)


def test_ewma_of_independent_samples_has_a_deviation_of_1() -> None:
    scores = torch_scores(fit_ewma(TRAIN[:, :, :1]), TRAIN[:, :, :1])
    assert np.sqrt(np.square(scores).mean()) == pytest.approx(1, abs=0.1)


def test_cusum_is_pages_recursion_begun_with_the_window() -> None:
    rows = TRAIN.reshape(-1, 3)
    samples = np.concatenate([SHIFTED, TRAIN[:40] - [0.5, 0, 0]])
    z = (samples - rows.mean(axis=0)) / rows.std(axis=0)
    upper, lower = np.zeros((80, 3)), np.zeros((80, 3))
    for step in range(12):
        upper = np.maximum(0, upper + z[:, step] - 0.5)
        lower = np.maximum(0, lower - z[:, step] - 0.5)
    expected = np.maximum(upper, lower).max(axis=1)
    assert torch_scores(fit_cusum(TRAIN), samples) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_cusum_of_samples_at_the_mean_is_0_and_grows_by_the_shift_less_the_slack() -> None:
    train = np.array([-1.0, 1.0] * 6).reshape(2, 6, 1)
    samples = np.array([[0.0] * 6, [0, 0, 0, 2, 2, 2], [2, 2, 2, -2, -2, -2]]).reshape(3, 6, 1)
    assert torch_scores(fit_cusum(train, slack=0.5), samples).tolist() == [0, 4.5, 4.5]


@pytest.mark.parametrize("fit", [fit_ewma, fit_cusum])
def test_a_small_shift_that_lasts_is_found(fit) -> None:
    fitted = fit(TRAIN)
    assert np.median(torch_scores(fitted, SHIFTED)) > np.quantile(torch_scores(fitted, TRAIN), 0.97)


@pytest.mark.parametrize("fit", [fit_ewma, fit_cusum])
def test_exported_files_give_the_same_scores(fit, tmp_path: Path) -> None:
    fitted = fit(TRAIN)
    for scores in exported_scores(fitted, SHIFTED, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, SHIFTED), rel=1e-4)


def test_a_window_of_1_is_no_chart() -> None:
    with pytest.raises(TrainingError, match="cusum needs a window of at least 2 samples, this one has 1"):
        fit_cusum(TRAIN[:, :1])


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(TrainingError, match="smoothing is 0: give more than 0 and at most 1"):
        fit_ewma(TRAIN, smoothing=0)
    with pytest.raises(TrainingError, match="slack is -1: give 0 or more"):
        fit_cusum(TRAIN, slack=-1)
