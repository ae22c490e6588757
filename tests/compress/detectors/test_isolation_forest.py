from pathlib import Path

import numpy as np
import onnx
import pytest
from detector_files import exported_scores, torch_scores
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from penjing.compress.detectors.isolation_forest import fit_isolation_forest
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(400, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def _theirs(trees: int = 100, rows: int = 256) -> IsolationForest:
    return IsolationForest(n_estimators=trees, max_samples=rows, random_state=0).fit(TRAIN.reshape(400, 6))


def on_thresholds(forest: IsolationForest) -> NDArray[np.float64]:
    """Samples with every value at a threshold of the trees: half of them as float32, half the float32 next above."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    cuts = [np.concatenate([tree.threshold[tree.feature == i] for tree in trees]) for i in range(6)]
    rows = np.stack([np.resize(column, 40) for column in cuts], axis=1).astype(np.float32)
    rows[20:] = np.nextafter(rows[20:], np.float32(np.inf))
    return rows.astype(float).reshape(40, 2, 3)


def test_scores_are_scikit_learns() -> None:
    expected = -_theirs().score_samples(TEST.reshape(60, 6))
    assert torch_scores(fit_isolation_forest(TRAIN), TEST) == pytest.approx(expected, abs=1e-6)


def test_a_value_at_a_threshold_falls_to_scikit_learns_side() -> None:
    at = on_thresholds(_theirs())
    expected = -_theirs().score_samples(at.reshape(40, 6))
    assert torch_scores(fit_isolation_forest(TRAIN), at) == pytest.approx(expected, abs=1e-6)


def test_two_rows_are_parted_by_one_cut() -> None:
    # Every path has one cut and c(2) is 1, so E(h) / c is 1 and the score 1/2.
    fitted = fit_isolation_forest(np.array([0.0, 1.0]).reshape(2, 1, 1), trees=5)
    assert torch_scores(fitted, np.array([[[0.0]], [[9.0]]])) == pytest.approx([0.5, 0.5], rel=1e-6)


def test_equal_rows_have_trees_without_cuts() -> None:
    rows = np.ones((50, 1, 2))
    expected = -IsolationForest(n_estimators=5, random_state=0).fit(rows[:, 0]).score_samples(rows[:1, 0])
    assert torch_scores(fit_isolation_forest(rows, trees=5), rows[:1]) == pytest.approx(expected, abs=1e-6)


def test_exported_files_give_the_same_scores_in_at_most_120_nodes(tmp_path: Path) -> None:
    fitted = fit_isolation_forest(TRAIN, trees=20, rows_per_tree=32)
    rows = np.concatenate([TEST, on_thresholds(_theirs(20, 32))])
    for scores in exported_scores(fitted, rows, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, rows), rel=1e-6)
    assert len(onnx.load(tmp_path / "model.onnx").graph.node) <= 120


def test_the_deepest_forest_has_at_most_120_nodes(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(4096, 1, 2))
    fitted = fit_isolation_forest(rows, trees=2, rows_per_tree=4096)
    exported_scores(fitted, rows[:5], tmp_path, formats=("onnx",))
    assert fitted.depth == 12
    assert len(onnx.load(tmp_path / "model.onnx").graph.node) <= 120


def test_more_rows_for_a_tree_than_its_depth_holds_are_refused() -> None:
    with pytest.raises(TrainingError, match="rows_per_tree 5000: give 1 or more, and 2 to 4096"):
        fit_isolation_forest(TRAIN, rows_per_tree=5000)
