"""ECOD on training data only: how far out in the tails of the training data a sample's values lie.

Li et al. 2022 as PyOD computes it: for each feature the larger of -log of the left and of the right tail (both together
where the skewness is 0), summed over features. PyOD counts the scored batch in; here the tails are those of the
training data alone, so that a sample's score depends on nothing else. A feature's curve is kept as straight lines
between knots, evaluated as a sum of clipped ramps. Left out: growth beyond the training data's range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .scaling import Samples, check_fit, float_tensor


class Ecod(nn.Module):
    """samples [batch, window, channels] to the sum of tail surprises, [batch].

    `start`, `inverse` and `rise` [features, knots - 1] are the ramps; a feature with fewer knots has ramps that rise by
    0. `base` is the score below all first knots.
    """

    start: Tensor
    inverse: Tensor
    rise: Tensor
    base: Tensor

    def __init__(self, start: Samples, inverse: Samples, rise: Samples, base: float) -> None:
        super().__init__()
        self.register_buffer("start", float_tensor(start))
        self.register_buffer("inverse", float_tensor(inverse))
        self.register_buffer("rise", float_tensor(rise))
        self.register_buffer("base", float_tensor(np.array(base)))

    def forward(self, samples: Tensor) -> Tensor:
        ramps = ((samples.flatten(1).unsqueeze(2) - self.start) * self.inverse).clamp(0, 1)
        return (ramps * self.rise).sum((1, 2)) + self.base


def fit_ecod(samples: Samples, *, knots: int = 64, seed: int = 0) -> Ecod:
    """Fits on [n, window, channels]; every place of a window is a feature of its own. `seed` is not used.

    Up to `knots` distinct values a feature's curve is exact at each of them. Raises TrainingError.
    """
    check_fit(samples, "ecod")
    if knots < 2:
        raise TrainingError(f"ecod: knots is {knots}: give 2 or more")
    rows = samples.reshape(len(samples), -1).astype(np.float32).astype(np.float64)  # as the device will see them
    shape = rows.shape[1], knots - 1
    start, inverse, rise, base = np.zeros(shape), np.zeros(shape), np.zeros(shape), 0.0
    for feature, column in enumerate(rows.T):
        ordered = np.sort(column)
        places = knots_of(ordered, knots)
        heights = tail_surprise(ordered, places, float(skew(column)) if np.ptp(column) > 0 else 0.0)
        last = len(places) - 1
        start[feature, :last], inverse[feature, :last] = places[:-1], 1 / np.diff(places)
        rise[feature, :last] = np.diff(heights)
        base += heights[0]
    return Ecod(start, inverse, rise, base)


def knots_of(ordered: NDArray[np.float64], knots: int) -> NDArray[np.float64]:
    """At most `knots` distinct values of a sorted column, ascending: all of them, or quantiles.

    The quantiles are evenly spaced in log-odds, in which the tails' logarithms are almost straight.
    """
    distinct = np.unique(ordered)
    if len(distinct) <= knots:
        return distinct
    n = len(ordered)
    levels = 1 / (1 + np.exp(-np.linspace(-np.log(n), np.log(n), knots)))
    ranks = np.rint(levels * (n - 1)).astype(int)
    ranks[0], ranks[-1] = 0, n - 1
    return np.unique(ordered[ranks])


def tail_surprise(ordered: NDArray[np.float64], values: NDArray[np.float64], skewness: float) -> NDArray[np.float64]:
    """-log of the rarer tail of the sorted column at each of `values`, which are among its own."""
    n = len(ordered)
    left = -np.log(np.searchsorted(ordered, values, side="right") / n)
    right = -np.log((n - np.searchsorted(ordered, values, side="left")) / n)
    rarer: NDArray[np.float64] = left + right if skewness == 0 else np.maximum(left, right)
    return rarer
