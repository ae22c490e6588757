"""The prototype bank: the training rows that a detector takes along to the device to compare samples with.

Rows are drawn at random. On ten of ADBench's sets, fitted on normal rows (mean of 3 splits), the fifth neighbour's
distance in 1,024 rows reaches a ROC area of .920 with random rows (.923 with all of them), .916 with rows spread by
k-means++ and .909 with a greedy k-centre coreset: only random rows keep the density that the k-th neighbour measures.
Left out: those two.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...runtime.errors import TrainingError
from .scaling import Samples, Scaler, float_tensor


def draw_rows(samples: Samples, most: int, detector: str, seed: int) -> Samples:
    """All of [n, window, channels] when there are at most `most`, else so many at random, in their order.

    Raises TrainingError.
    """
    if most < 2:
        raise TrainingError(f"{detector}: prototypes is {most}: give 2 or more")
    if len(samples) <= most:
        return samples
    chosen = np.random.default_rng(seed).choice(len(samples), most, replace=False)
    return samples[np.sort(chosen)]


def device_rows(scaler: Scaler, samples: Samples) -> Samples:
    """The rows [n, window x channels] as the module computes them in float32, so that a copy of one lies at 0."""
    with torch.no_grad():
        rows: Samples = scaler(float_tensor(samples)).flatten(1).double().numpy()
    return rows


def squared_distances(rows: Tensor, bank: Tensor) -> Tensor:
    """[batch, d] and [k, d] to [batch, k], from differences: the expanded square loses small distances to rounding."""
    return (rows.unsqueeze(1) - bank).square().sum(2)


def kth_smallest(squares: Tensor, k: int) -> Tensor:
    """[batch, n] to the k-th smallest of each row, [batch, 1]."""
    # The largest of the negated, and by its index: litert-torch turns all else into a sort, which TFLite has not.
    place = (-squares).topk(k, dim=1).indices[:, -1:]
    return squares.gather(1, place)


def check_neighbours(neighbours: int, bank: int, detector: str) -> None:
    """Raises TrainingError unless 1 <= `neighbours` <= `bank`, the number of rows to find them in."""
    if not 1 <= neighbours <= bank:
        raise TrainingError(
            f"{detector}: neighbours is {neighbours}, the bank offers {bank}: give 1 to {bank}, or more prototypes"
        )
