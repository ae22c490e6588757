"""EWMA and CUSUM charts of every channel over a window: small shifts that last, which no single sample shows.

Roberts 1959 and Page 1954, on standardised channels, two-sided. A chart here begins anew with every window, so that a
sample's score depends on nothing before it; a window far longer than the chart's memory gives the endless chart. Left
out: control limits, which the calibrated threshold replaces, and correlation in time, which raises both charts'
variance.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .scaling import Samples, Scaler, check_fit, float_tensor, standard_scaler


class Ewma(nn.Module):
    """samples [batch, window, channels] to the largest |chart| of any channel in its standard deviations, [batch]."""

    weight: Tensor

    def __init__(self, scaler: Scaler, weight: Samples) -> None:
        super().__init__()
        self.scaler = scaler
        self.register_buffer("weight", float_tensor(weight))

    def forward(self, samples: Tensor) -> Tensor:
        charts: Tensor = (self.scaler(samples) * self.weight.unsqueeze(1)).sum(1)
        return charts.abs().amax(1)


class Cusum(nn.Module):
    """samples [batch, window, channels] to the largest upper or lower sum at the window's end, [batch], 0 or more."""

    suffixes: Tensor
    slack: Tensor

    def __init__(self, scaler: Scaler, window: int, slack: float) -> None:
        super().__init__()
        self.scaler = scaler
        # Row i sums the samples i .. window - 1.
        self.register_buffer("suffixes", float_tensor(np.triu(np.ones((window, window)))))
        self.register_buffer("slack", float_tensor(np.array(slack)))

    def forward(self, samples: Tensor) -> Tensor:
        rows: Tensor = self.scaler(samples)
        upper = (self.suffixes @ (rows - self.slack)).amax((1, 2))
        lower = (self.suffixes @ (-rows - self.slack)).amax((1, 2))
        return upper.maximum(lower).clamp(min=0)


def fit_ewma(samples: Samples, *, smoothing: float = 0.2, seed: int = 0) -> Ewma:
    """Fits on [n, window >= 2, channels]; the last sample weighs `smoothing`, each one before it 1 - smoothing as much.

    The chart's standard deviation is that of this sum over the window of independent samples. `seed` is not used.
    Raises TrainingError.
    """
    check_fit(samples, "ewma", window=2)
    if not 0 < smoothing <= 1:
        raise TrainingError(f"ewma: smoothing is {smoothing}: give more than 0 and at most 1")
    weight = smoothing * (1 - smoothing) ** np.arange(samples.shape[1])[::-1]
    return Ewma(standard_scaler(samples), weight / np.sqrt(np.square(weight).sum()))


def fit_cusum(samples: Samples, *, slack: float = 0.5, seed: int = 0) -> Cusum:
    """Fits on [n, window >= 2, channels]; `slack`, in standard deviations, is half the shift that is looked for.

    `seed` is not used. Raises TrainingError.
    """
    check_fit(samples, "cusum", window=2)
    if slack < 0:
        raise TrainingError(f"cusum: slack is {slack}: give 0 or more")
    return Cusum(standard_scaler(samples), samples.shape[1], slack)
