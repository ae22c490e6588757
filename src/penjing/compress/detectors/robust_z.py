"""The largest |z| of a sample's channels: the baseline that every other detector has to beat.

A univariate test for each channel (Grubbs 1969; Chandola, Banerjee and Kumar 2009, section 7.1), with the mean and the
standard deviation, or with the median and the MAD (Iglewicz and Hoaglin 1993), which contaminated rows move less. Left
out: everything that happens between channels, and the rows of a window before its last.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import Tensor, nn

from .scaling import Samples, Scaler, check_fit

MAD_TO_DEVIATION = 1.4826
"""The median absolute deviation of normally distributed values times this is their standard deviation."""


class RobustZ(nn.Module):
    """samples [batch, window, channels] to the largest |z| of the last row's channels, [batch]."""

    def __init__(self, scaler: Scaler) -> None:
        super().__init__()
        self.scaler = scaler

    def forward(self, samples: Tensor) -> Tensor:
        scores: Tensor = self.scaler(samples[:, -1]).abs().amax(1)
        return scores


def fit_robust_z(samples: Samples, *, statistics: Literal["mean", "median"] = "mean", seed: int = 0) -> RobustZ:
    """Fits on [n, window, channels]; `seed` is not used.

    A channel whose MAD is 0 is measured by its standard deviation, a constant one keeps its unit. Raises TrainingError.
    """
    check_fit(samples, "robust_z")
    rows = samples[:, -1]
    location, spread = rows.mean(axis=0), rows.std(axis=0)
    if statistics == "median":
        location = np.median(rows, axis=0)
        mad = np.median(np.abs(rows - location), axis=0)
        spread = np.where(mad > 0, MAD_TO_DEVIATION * mad, spread)
    # The computed deviation of a constant column can be a rounding error above 0.
    return RobustZ(Scaler(location, np.where(np.ptp(rows, axis=0) > 0, spread, 1.0)))
