"""Isolation forest: how few random cuts set a sample apart.

Liu, Ting and Zhou 2008, after the survey; fitted by scikit-learn. The score is the paper's 2^(-E(h) / c), as in
scikit-learn's -score_samples. Trees are filled up to one depth and laid out together like a heap, level by level, so
that all of them go down one level with a few gathers and no loop over nodes. Cuts are in the samples' own units and
need no scaler. Left out: extended forests, and the ONNX file with one tree node (`export/tree_onnx.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest as SklearnForest
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .scaling import Samples, check_fit, float_tensor

DEEPEST = 12
"""Levels at most: a filled-up tree doubles with each, and adds nine nodes to the exported graph."""
EARLY_LEVELS = 4
"""How many levels are decided before any of them is gone down."""


class IsolationForest(nn.Module):
    """samples [batch, window, channels] to the score [batch], above 0 and below 1.

    `features` and `thresholds` [trees x (2^depth - 1)] are the cuts, level by level and tree by tree within one; the
    children of cut i are at 2 i + trees and the place after. A sample goes to the second when its value is above the
    threshold. `leaves` [trees x 2^depth] add up to the score's logarithm.
    """

    features: Tensor
    thresholds: Tensor
    leaves: Tensor
    roots: Tensor

    def __init__(self, trees: int, features: NDArray[Any], thresholds: NDArray[Any], leaves: NDArray[Any]) -> None:
        super().__init__()
        self.trees, self.depth = trees, (len(leaves) // trees).bit_length() - 1
        self.register_buffer("features", torch.tensor(features, dtype=torch.int32))
        self.register_buffer("thresholds", float_tensor(thresholds))
        self.register_buffer("leaves", float_tensor(leaves))
        self.register_buffer("roots", torch.arange(trees), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        rows = samples.flatten(1)
        place = self.roots.expand(rows.shape[0], self.trees)  # len(rows) would fix the batch in the exported file
        # The few cuts of the first levels are all decided at once, which spares a fifth of a TFLite file's nodes.
        early = min(EARLY_LEVELS, self.depth)
        first = self.trees * (2**early - 1)
        early_steps = _steps(self.trees, rows[:, self.features[:first].long()], self.thresholds[:first])
        for level in range(self.depth):
            if level < early:
                steps = early_steps.gather(1, place)
            else:
                steps = _steps(self.trees, rows.gather(1, self.features[place].long()), self.thresholds[place])
            place = 2 * place + steps
        return self.leaves[place - len(self.features)].sum(1).exp()


def _steps(trees: int, values: Tensor, thresholds: Tensor) -> Tensor:
    return torch.where(values > thresholds, trees + 1, trees)


def fit_isolation_forest(
    samples: Samples, *, trees: int = 100, rows_per_tree: int = 256, seed: int = 0
) -> IsolationForest:
    """Fits on [n, window, channels]; with fewer rows than `rows_per_tree` each tree sees them all.

    Raises TrainingError.
    """
    check_fit(samples, "isolation_forest")
    most = 2**DEEPEST
    if trees < 1 or not 2 <= rows_per_tree <= most:
        raise TrainingError(
            f"isolation_forest: trees is {trees} and rows_per_tree {rows_per_tree}: give 1 or more, and 2 to {most}"
        )
    fitted = SklearnForest(n_estimators=trees, max_samples=min(rows_per_tree, len(samples)), random_state=seed)
    fitted.fit(samples.reshape(len(samples), -1))
    grown = [estimator.tree_ for estimator in fitted.estimators_]
    depth = max(1, *(tree.max_depth for tree in grown))
    filled = [_fill(tree, depth) for tree in grown]
    cuts = [np.concatenate([levels[level] for levels, _ in filled]) for level in range(depth)]
    features, thresholds = np.concatenate(cuts).T
    paths = np.concatenate([path for _, path in filled])
    longest = trees * float(_average_path(np.array([fitted.max_samples_]))[0])
    return IsolationForest(trees, features, thresholds, -np.log(2) * paths / longest)


def _fill(tree: Any, depth: int) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """For each level [2^level, 2] features and thresholds, and the path lengths of the 2^depth leaves.

    A leaf above the last level goes on as a cut that nothing is above.
    """
    nodes, lengths = np.zeros(1, dtype=int), np.zeros(1)
    levels = []
    for _ in range(depth):
        leaf = tree.children_left[nodes] < 0
        feature = np.where(leaf, 0, tree.feature[nodes])
        threshold = np.where(leaf, np.inf, _float32_not_above(tree.threshold[nodes]))
        levels.append(np.stack([feature, threshold], axis=1))
        children = np.stack([tree.children_left[nodes], tree.children_right[nodes]], axis=1)
        nodes = np.where(leaf[:, None], nodes[:, None], children).ravel()
        lengths = np.repeat(lengths + ~leaf, 2)
    return levels, lengths + _average_path(tree.n_node_samples[nodes])


def _float32_not_above(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each: then float32 values fall to the same side as with the float64 itself."""
    nearest = thresholds.astype(np.float32)
    lower: NDArray[np.float32] = np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    return lower


def _average_path(rows: NDArray[Any]) -> NDArray[np.float64]:
    """c(n) of the paper: the mean depth of an unsuccessful search in a binary tree of n rows."""
    many = np.maximum(rows, 3)
    mean = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(rows > 2, mean, np.where(rows == 2, 1.0, 0.0))
