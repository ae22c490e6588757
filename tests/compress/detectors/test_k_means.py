from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

from penjing.compress.detectors.k_means import fit_k_means
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def test_scores_are_scikit_learns_distances_over_the_largest_of_training() -> None:
    spread = StandardScaler().fit(TRAIN.reshape(-1, 3))
    rows = [spread.transform(x.reshape(-1, 3)).reshape(len(x), -1) for x in (TRAIN, TEST)]
    theirs = KMeans(8, n_init=10, random_state=0).fit(rows[0])
    expected = theirs.transform(rows[1]).min(axis=1) / theirs.transform(rows[0]).min(axis=1).max()
    assert torch_scores(fit_k_means(TRAIN), TEST) == pytest.approx(expected, rel=1e-4)


def test_the_furthest_training_row_lies_on_the_edge() -> None:
    # Clusters -11, -9 and 9, 11 have the centres -10 and 10 and reach 1 to either side.
    fitted = fit_k_means(np.array([-11.0, -9.0, 9.0, 11.0]).reshape(4, 1, 1), clusters=2)
    scores = torch_scores(fitted, np.array([-11.0, 10.0, 12.0, 0.0]).reshape(4, 1, 1))
    assert scores == pytest.approx([1, 0, 2, 10], abs=1e-5)


def test_as_many_clusters_as_rows_leave_plain_distances() -> None:
    fitted = fit_k_means(np.array([-1.0, 1.0]).reshape(2, 1, 1), clusters=2)
    assert torch_scores(fitted, np.array([[[4.0]]])) == pytest.approx([3], rel=1e-6)


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_k_means(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


def test_more_clusters_than_rows_that_differ_are_refused() -> None:
    with pytest.raises(TrainingError, match="clusters is 8, 2 rows differ"):
        fit_k_means(np.repeat(TRAIN[:2], 20, axis=0))
