"""Principal components: how far a sample lies out within the training data's subspace, and how far from it.

Spectral techniques in Chandola, Banerjee and Kumar 2009, section 9: Hotelling's T2 over the kept components and the
squared prediction error Q (SPE) over the rest. They are added as Yue and Qin 2001 do, but each is brought to its
training level instead of its control limit: to a mean of 1 for each of its dimensions, which makes the sum the distance
of probabilistic PCA (Tipping and Bishop 1999). A window counts as one row of window x channels values. Left out: kernel
PCA.
"""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler

SMALLEST_SHARE = 1e-9
"""Directions with less than this share of the largest variance count as constant: they are not kept as components."""
SMALLEST_RESIDUAL = 1e-3
"""Share of the largest variance that counts for Q's mean where it is less: below lies the rounding of int8 files. With
1e-6 they rank the rows of four of ADBench's ten tables at random, and the areas under the ROC curve are no better."""
SMALLEST_VARIANCE = 1e-12
"""Of scaled values, the same for data that are all constant."""


class PcaDetector(nn.Module):
    """samples [batch, window, channels] to T2 + Q / (Q's training mean for one dimension), [batch].

    `components` [features, kept] have unit length, `weight` [kept] is one over their variances.
    """

    mean: Tensor
    components: Tensor
    weight: Tensor
    residual_weight: Tensor

    def __init__(self, scaler: Scaler, mean: Samples, components: Samples, weight: Samples, residual: float) -> None:
        super().__init__()
        self.scaler = scaler
        self.register_buffer("mean", float_tensor(mean))
        self.register_buffer("components", float_tensor(components))
        self.register_buffer("weight", float_tensor(weight))
        self.register_buffer("residual_weight", float_tensor(np.array(residual)))

    def forward(self, samples: Tensor) -> Tensor:
        rows: Tensor = self.scaler(samples).flatten(1) - self.mean
        inside = rows @ self.components
        # The error itself, not |rows|2 - |inside|2: that would lose small errors to rounding.
        error = rows - inside @ self.components.T
        return (inside.square() * self.weight).sum(1) + error.square().sum(1) * self.residual_weight


def fit_pca(samples: Samples, *, variance: float = 0.99, seed: int = 0) -> PcaDetector:
    """Fits on [n, window, channels] and keeps the fewest components that hold the share `variance` of all of it.

    The files grow with the kept components; 0.9 keeps far fewer. `seed` is not used. Raises TrainingError.
    """
    check_fit(samples, "pca")
    if not 0 < variance <= 1:
        raise TrainingError(f"pca: variance is {variance}: give a share above 0 and at most 1")
    scaler = standard_scaler(samples)
    rows = scaled(scaler, samples).reshape(len(samples), -1)
    # The solvers agree; that of the covariance is far faster for many rows.
    fitted = PCA(svd_solver="covariance_eigh" if len(rows) > rows.shape[1] else "full").fit(rows)
    values = fitted.explained_variance_
    smallest = max(SMALLEST_SHARE * values[0], SMALLEST_VARIANCE)
    rank = max(int((values > smallest).sum()), 1)
    kept = min(1 + int(np.searchsorted(np.cumsum(values), variance * values.sum())), rank)
    components = fitted.components_[:kept].T
    centred = rows - fitted.mean_
    error = centred - (centred @ components) @ components.T
    level = np.square(error).sum(axis=1).mean() / max(rank - kept, 1)
    level = max(level, SMALLEST_RESIDUAL * values[0], smallest)
    return PcaDetector(scaler, fitted.mean_, components, 1 / np.maximum(values[:kept], smallest), 1 / level)
