"""Mahalanobis distance: how far a sample lies from the mean in units of the normal data's covariance.

Parametric statistical techniques in Chandola, Banerjee and Kumar 2009, section 7.1. The covariance is the empirical
one, that of the minimum covariance determinant (Rousseeuw and Van Driessen 1999), which contaminated rows move less, or
the shrunk one of Ledoit and Wolf 2004, for rows that are few beside their values. Left out: robust and shrunk at once.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.covariance import EmpiricalCovariance, LedoitWolf, MinCovDet
from torch import Tensor, nn

from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler

SMALLEST_SHARE = 1e-9
"""Directions with less than this share of the largest variance count as constant and are left out."""


class Mahalanobis(nn.Module):
    """samples [batch, window, channels] to the squared distance [batch], whose root is Mahalanobis'."""

    mean: Tensor
    whiten: Tensor

    def __init__(self, scaler: Scaler, mean: Samples, whiten: Samples) -> None:
        super().__init__()
        self.scaler = scaler
        self.register_buffer("mean", float_tensor(mean))
        self.register_buffer("whiten", float_tensor(whiten))

    def forward(self, samples: Tensor) -> Tensor:
        rows = self.scaler(samples).flatten(1) - self.mean
        distances: Tensor = (rows @ self.whiten).square().sum(1)
        return distances


def fit_mahalanobis(
    samples: Samples, *, covariance: Literal["empirical", "mcd", "ledoit-wolf"] = "empirical", seed: int = 0
) -> Mahalanobis:
    """Fits on [n, window, channels]; a window counts as one row of window x channels values."""
    check_fit(samples, "mahalanobis")
    scaler = standard_scaler(samples)
    rows = scaled(scaler, samples).reshape(len(samples), -1)
    ways = {"empirical": EmpiricalCovariance(), "mcd": MinCovDet(random_state=seed), "ledoit-wolf": LedoitWolf()}
    fitted = ways[covariance].fit(rows)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    kept = values > SMALLEST_SHARE * values.max()
    return Mahalanobis(scaler, fitted.location_, vectors[:, kept] / np.sqrt(values[kept]))
