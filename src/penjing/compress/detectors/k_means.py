"""k-means: the distance to the nearest cluster's centre, in units of the distance to the clusters' edge.

Clustering techniques in Chandola, Banerjee and Kumar 2009, section 6, second kind: a normal sample lies near its
centre. All clusters have one radius, that of the furthest training row, so that a score above 1 lies outside of them.
A radius for each cluster, subtracted as Edge Impulse does or divided by, is worse: on ADBench's ten sets the mean ROC
area is .900 with one radius, and at best .871 (largest distance, divided) and .843 (the same, subtracted). Left out:
those, and choosing the number of clusters.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .bank import squared_distances
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler

RESTARTS = 10


class KMeans(nn.Module):
    """samples [batch, window, channels] to distance / radius [batch]; `centres` [clusters, features]."""

    centres: Tensor
    radius: Tensor

    def __init__(self, scaler: Scaler, centres: Samples, radius: float) -> None:
        super().__init__()
        self.scaler = scaler
        self.register_buffer("centres", float_tensor(centres))
        self.register_buffer("radius", float_tensor(np.array(radius)))

    def forward(self, samples: Tensor) -> Tensor:
        squares = squared_distances(self.scaler(samples).flatten(1), self.centres)
        return squares.amin(1).sqrt() / self.radius


def fit_k_means(samples: Samples, *, clusters: int = 8, seed: int = 0) -> KMeans:
    """Fits on [n, window, channels]. Raises TrainingError, also when fewer rows differ than there are clusters."""
    check_fit(samples, "k_means")
    scaler = standard_scaler(samples)
    rows = scaled(scaler, samples).reshape(len(samples), -1)
    distinct = len(np.unique(rows, axis=0))
    if not 1 <= clusters <= distinct:
        raise TrainingError(f"k_means: clusters is {clusters}, {distinct} rows differ: give 1 to {distinct}")
    fitted = SklearnKMeans(clusters, n_init=RESTARTS, random_state=seed).fit(rows)
    radius = float(fitted.transform(rows).min(axis=1).max())
    # Where every row is a centre the edge has no size, and scores are plain distances.
    return KMeans(scaler, fitted.cluster_centers_, radius if distinct > clusters else 1.0)
