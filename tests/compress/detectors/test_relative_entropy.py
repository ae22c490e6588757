from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from scipy.stats import entropy

from penjing.compress.detectors.relative_entropy import fit_relative_entropy
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 16, 2)) * [1, 10] + [0, 50]
NARROW = RANDOM.normal(size=(40, 16, 2)) * [0.1, 1] + [0, 50]
"""Every value is usual, their distribution is not."""


def test_scores_are_scipys_relative_entropy_of_histograms() -> None:
    expected = np.zeros((40, 2))
    for channel in range(2):
        column = TRAIN[:, :, channel].reshape(-1)
        inner = np.quantile(column, [0.25, 0.5, 0.75], method="lower")
        edges = [-np.inf, column.min() - 1e-4, *inner + 1e-9, column.max() + 1e-4, np.inf]
        reference = (np.histogram(column, edges)[0] + 1) / (len(column) + 6)
        for i, window in enumerate(NARROW[:, :, channel]):
            expected[i, channel] = entropy(np.histogram(window, edges)[0], reference)
    for name, scores in (("max", expected.max(axis=1)), ("mean", expected.mean(axis=1))):
        fitted = fit_relative_entropy(TRAIN, bins=4, over_channels=name)
        assert torch_scores(fitted, NARROW) == pytest.approx(scores, rel=1e-3)


def test_a_distribution_that_changes_within_the_usual_range_is_found() -> None:
    fitted = fit_relative_entropy(TRAIN)
    assert torch_scores(fitted, NARROW).min() > np.quantile(torch_scores(fitted, TRAIN), 0.99)


def test_two_states_half_and_half_against_one_of_them() -> None:
    states = np.tile([0.0, 1.0], 400).reshape(100, 8, 1)
    fitted = fit_relative_entropy(states)
    scores = torch_scores(fitted, np.array([[0.0, 1.0] * 4, [1.0] * 8, [7.0] * 8]).reshape(3, 8, 1))
    assert scores == pytest.approx([0, np.log(2), np.log(818)], abs=0.03)


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_relative_entropy(TRAIN)
    for scores in exported_scores(fitted, NARROW, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, NARROW), rel=1e-4)


def test_a_short_window_has_no_histogram() -> None:
    with pytest.raises(TrainingError, match="relative_entropy needs a window of at least 8 samples, this one has 7"):
        fit_relative_entropy(TRAIN[:, :7])
    with pytest.raises(TrainingError, match="bins is 1: give 2 or more"):
        fit_relative_entropy(TRAIN, bins=1)
