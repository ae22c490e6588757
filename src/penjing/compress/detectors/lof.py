"""Local outlier factor: how much sparser a sample's surroundings are than those of its neighbours.

Relative density in Chandola, Banerjee and Kumar 2009, section 5.2, after Breunig, Kriegel, Ng and Sander 2000, in the
novelty form: the densities are those of a bank of training rows, and a sample is compared with it alone. As in the
paper all rows at the k-th distance are neighbours, where scikit-learn takes any k of them. Rows a little farther count
in part: otherwise the last digit of a distance, which differs from engine to engine, would decide whether a row counts
(on ADBench's thyroid that moved scores by 5%). Left out: choosing k by the largest factor over a range, as the paper
suggests.
"""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from .bank import check_neighbours, device_rows, draw_rows, kth_smallest, squared_distances
from .scaling import Samples, Scaler, check_fit, float_tensor, standard_scaler

BAND = 5e-4
"""Beyond the k-th distance d, in scaled units, rows count less and less until d + BAND (1 + d). With a fifth of it one
ADBench table's factors in LiteRT differed by 1.1e-4 of themselves from torch's, with this no table's by over 6.1e-5."""
SMALLEST_REACH = 1e-3
"""Of a mean distance, in scaled units: copies of one row have a distance of 0, or of float32's rounding. With the 1e-10
of scikit-learn the factors of copies would be noise."""


class LocalOutlierFactor(nn.Module):
    """samples [batch, window, channels] to the factor [batch]: about 1 inside the data, more outside.

    `bank` [prototypes, features]; `distance` is each row's to its k-th neighbour, `density` its local reachability
    density, both [prototypes].
    """

    bank: Tensor
    distance: Tensor
    density: Tensor

    def __init__(self, scaler: Scaler, bank: Samples, distance: Samples, density: Samples, neighbours: int) -> None:
        super().__init__()
        self.scaler, self.neighbours = scaler, neighbours
        self.register_buffer("bank", float_tensor(bank))
        self.register_buffer("distance", float_tensor(distance))
        self.register_buffer("density", float_tensor(density))

    def forward(self, samples: Tensor) -> Tensor:
        lengths = squared_distances(self.scaler(samples).flatten(1), self.bank).sqrt()
        farthest = kth_smallest(lengths, self.neighbours)
        near = (1 - (lengths - farthest) / (BAND * (1 + farthest))).clamp(0, 1)
        count = near.sum(1)
        reach = near.mul(lengths.maximum(self.distance)).sum(1) / count
        return near.mul(self.density).sum(1) / count * reach.clamp(min=SMALLEST_REACH)


def fit_lof(samples: Samples, *, neighbours: int = 20, prototypes: int = 1024, seed: int = 0) -> LocalOutlierFactor:
    """Fits on [n, window, channels], of which the bank keeps at most `prototypes` at random. Raises TrainingError."""
    check_fit(samples, "lof", fewest=3)
    scaler = standard_scaler(samples)
    bank = device_rows(scaler, draw_rows(samples, prototypes, "lof", seed))
    check_neighbours(neighbours, len(bank) - 1, "lof")
    lengths, places = NearestNeighbors(n_neighbors=neighbours).fit(bank).kneighbors()
    distance = lengths[:, -1]
    reach = np.maximum(lengths, distance[places]).mean(axis=1)
    return LocalOutlierFactor(scaler, bank, distance, 1 / np.maximum(reach, SMALLEST_REACH), neighbours)
