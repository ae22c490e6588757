"""Histogram-based outlier score: how rare a sample's values are, feature by feature.

Goldstein and Dengel 2012, with the details of PyOD's HBOS: densities of equally wide bins, log2(density + 0.1), half a
bin of tolerance outside the training data's range and the rarest bin's score beyond it. The bin of a value is computed,
its score is read from a table. Left out: bins of equal counts, and PyOD's choice of the number of bins.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .scaling import Samples, Scaler, check_fit, float_tensor

REGULARISER = 0.1
"""Added to every density, so that empty bins have a logarithm."""


class Hbos(nn.Module):
    """samples [batch, window, channels] to the sum over features of -log2(density + 0.1), [batch].

    A feature's table has half bins: one for all values below, the tolerance, two for each bin, the tolerance, one for
    all values above. `table` holds the features' tables one after the other, `first` where each begins.
    """

    first: Tensor
    table: Tensor

    def __init__(self, scaler: Scaler, table: Samples) -> None:
        super().__init__()
        features, self.half_bins = table.shape
        self.scaler = scaler
        self.register_buffer("first", torch.arange(features) * self.half_bins)
        self.register_buffer("table", float_tensor(table.reshape(-1)))

    def forward(self, samples: Tensor) -> Tensor:
        return self.table[self.half_bin(samples) + self.first].sum(1)

    def half_bin(self, samples: Tensor) -> Tensor:
        """[batch, features], each from 0 to `half_bins` - 1; 2 is where the training data begin."""
        position: Tensor = self.scaler(samples.flatten(1)) + 2
        return position.clamp(0, self.half_bins - 1).long()


def fit_hbos(samples: Samples, *, bins: int = 10, seed: int = 0) -> Hbos:
    """Fits on [n, window, channels]; every place of a window is a feature of its own. `seed` is not used.

    Raises TrainingError.
    """
    check_fit(samples, "hbos")
    if bins < 2:
        raise TrainingError(f"hbos: bins is {bins}: give 2 or more")
    rows = samples.reshape(len(samples), -1).astype(np.float32).astype(np.float64)  # as the device will see them
    low, high = rows.min(axis=0), rows.max(axis=0)
    constant = high == low  # numpy's histogram makes the range 1 wide around such a value
    low, high = np.where(constant, low - 0.5, low), np.where(constant, high + 0.5, high)
    width = (high - low) / bins
    detector = Hbos(Scaler(low, width / 2), np.zeros((rows.shape[1], 2 * bins + 4)))
    # Counted by the module's own float32 arithmetic: whole numbers lie on bin edges, where a rounding error decides.
    places = detector.half_bin(torch.tensor(samples, dtype=torch.float32)).numpy().clip(2, 2 * bins + 1) // 2 - 1
    counts = np.stack([np.bincount(column, minlength=bins) for column in places.T])
    surprise = -np.log2(counts / (len(rows) * width[:, None]) + REGULARISER)
    beyond = surprise.max(axis=1, keepdims=True)
    inside = np.repeat(surprise, 2, axis=1)
    return Hbos(detector.scaler, np.hstack([beyond, inside[:, :1], inside, inside[:, -1:], beyond]))
