from pathlib import Path

import numpy as np
import onnx
import pytest
from detector_files import torch_scores
from sklearn.ensemble import IsolationForest

from penjing.compress.detectors.isolation_forest import IsolationForest as Gathered
from penjing.compress.detectors.isolation_forest import fit_isolation_forest
from penjing.export.signature import samples_signature
from penjing.export.tree_onnx import Forest, export_forest
from penjing.runtime.engine import open_engine
from penjing.runtime.errors import ExportError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(400, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def _forest(fitted: Gathered) -> Forest:
    return Forest(fitted.trees, fitted.features.numpy(), fitted.thresholds.numpy(), fitted.leaves.numpy())


def _scores(forest: Forest, samples: np.ndarray, folder: Path) -> np.ndarray:
    export_forest(forest, folder / "tree.onnx", opset=18, signature=samples_signature(*samples.shape[1:]))
    return open_engine(folder / "tree.onnx", "onnx").run({"samples": samples})["scores"]


def test_scores_are_those_of_the_gathers_and_of_scikit_learn(tmp_path: Path) -> None:
    fitted = fit_isolation_forest(TRAIN)
    scores = _scores(_forest(fitted), TEST, tmp_path)
    theirs = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(TRAIN.reshape(400, 6))
    assert scores.shape == (60,)
    assert scores == pytest.approx(torch_scores(fitted, TEST), abs=1e-6)
    assert scores == pytest.approx(-theirs.score_samples(TEST.reshape(60, 6)), abs=1e-6)


def test_a_value_at_a_threshold_falls_to_scikit_learns_side(tmp_path: Path) -> None:
    theirs = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(TRAIN.reshape(400, 6))
    trees = [estimator.tree_ for estimator in theirs.estimators_]
    cuts = [np.concatenate([tree.threshold[tree.feature == i] for tree in trees])[:40] for i in range(6)]
    at = np.stack(cuts, axis=1).astype(np.float32)
    at[20:] = np.nextafter(at[20:], np.float32(np.inf))
    scores = _scores(_forest(fit_isolation_forest(TRAIN)), at.reshape(40, 2, 3), tmp_path)
    assert scores == pytest.approx(-theirs.score_samples(at), abs=1e-6)


def test_a_forest_of_two_small_trees(tmp_path: Path) -> None:
    # Tree 0 cuts value 1 at 5 and then, above, value 0 at 0; tree 1 cuts value 0 at 2 and has leaves below.
    forest = Forest(
        2,
        features=np.array([1, 0, 0, 0, 0, 0]),
        thresholds=np.array([5, 2, np.inf, 0, np.inf, np.inf], dtype=np.float32),
        leaves=np.log(np.array([0.5, 0.5, 0.25, 0.125, 0.5, 0.5, 1, 1])),
    )
    samples = np.array([[1.0, 5.0], [-1.0, 6.0], [3.0, 6.0]]).reshape(3, 1, 2)
    assert _scores(forest, samples, tmp_path) == pytest.approx([0.25, 0.125, 0.125], rel=1e-6)


def test_the_file_has_one_node_for_all_trees_and_any_batch(tmp_path: Path) -> None:
    _scores(_forest(fit_isolation_forest(TRAIN)), TEST, tmp_path)
    model = onnx.load(tmp_path / "tree.onnx")
    assert [node.op_type for node in model.graph.node] == ["Flatten", "TreeEnsembleRegressor", "Exp", "Reshape"]
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18, "ai.onnx.ml": 3}
    engine = open_engine(tmp_path / "tree.onnx", "onnx")
    assert engine.inputs[0].shape == ("batch", 2, 3)
    assert engine.run({"samples": TEST[:1]})["scores"].shape == (1,)


def test_arrays_of_other_sizes_and_other_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="2 trees with 4 leaves have 2 features"):
        Forest(2, np.zeros(3), np.zeros(3), np.zeros(4))
    forest = Forest(1, np.array([6]), np.zeros(1), np.zeros(2))
    with pytest.raises(ExportError, match="cuts value 6 of samples with 6"):
        _scores(forest, TEST, tmp_path)
