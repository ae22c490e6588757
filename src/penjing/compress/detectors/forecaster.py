"""Regression residuals: how far a window's last sample lies from what its context lets expect.

Chandola, Banerjee and Kumar 2009, sections 7.1.2 (regression models) and 10 (contextual anomalies): every channel is
predicted by a linear regression from the window's earlier samples and, where asked, from the other channels of the last
one. Residuals are measured in their own robust deviations. Left out: forecasts of more than one step, and nonlinear
models.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, HuberRegressor, Lasso, LinearRegression, Ridge
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .robust_z import MAD_TO_DEVIATION
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler

Regression = Literal["ols", "ridge", "lasso", "elastic-net", "huber"]
PENALTIES = {"ridge": 1.0, "lasso": 0.01, "elastic-net": 0.01, "huber": 1e-4}
"""Alphas of scikit-learn for standardised channels; those of lasso and elastic net are for one sample's mean loss."""
SMALLEST_SHARE = 0.3
"""Of the residuals' standard deviation: what counts where their MAD is less. A channel that mostly rests has a MAD of
about 0, by which all its movements would be alarms."""
SMALLEST_DEVIATION = 0.05
"""In deviations of the channel: what counts for one that training predicts better than that. int8 files round channels
by about as much, and on a server of SMD 0.01 leaves their scores a rank correlation of .96 with those in float."""


class Forecaster(nn.Module):
    """samples [batch, window, channels] to the largest or the root mean square residual of the channels, [batch].

    `weight` [window x channels, channels] gives the residuals themselves, in their deviations: what is predicted of a
    channel is subtracted in it.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, scaler: Scaler, weight: Samples, bias: Samples, over_channels: Literal["max", "rms"]) -> None:
        super().__init__()
        self.scaler, self.over_channels = scaler, over_channels
        self.register_buffer("weight", float_tensor(weight))
        self.register_buffer("bias", float_tensor(bias))

    def forward(self, samples: Tensor) -> Tensor:
        residuals: Tensor = self.scaler(samples).flatten(1) @ self.weight + self.bias
        return residuals.abs().amax(1) if self.over_channels == "max" else residuals.square().mean(1).sqrt()


def fit_forecaster(
    samples: Samples, *, regression: Regression = "ridge", penalty: float | None = None, other_channels: bool = True,
    over_channels: Literal["max", "rms"] = "rms", seed: int = 0,
) -> Forecaster:  # fmt: skip
    """Fits scikit-learn's regression for each channel on [n, window, channels]; `penalty` is its alpha.

    No penalty given: that of `PENALTIES`; least squares ("ols") have none. `seed` is not used. Raises TrainingError,
    too, where there is nothing to predict from: a window of 1 without other channels.
    """
    check_fit(samples, "forecaster")
    n, window, channels = samples.shape
    if window == 1 and (channels == 1 or not other_channels):
        raise TrainingError(
            f"forecaster: a window of 1 leaves nothing to predict {channels} channel(s) from:"
            " set data.window to 2 or more"
        )
    scaler = standard_scaler(samples)
    rows = scaled(scaler, samples).reshape(n, -1)
    current = (window - 1) * channels  # where the last sample begins
    weight, bias = np.zeros((rows.shape[1], channels)), np.zeros(channels)
    for channel in range(channels):
        used = np.arange(rows.shape[1] if other_channels else current)
        used = used[used != current + channel]
        with warnings.catch_warnings():
            # One that stops a little early predicts a little worse, and its residuals are measured as they are.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = _regression(regression, penalty).fit(rows[:, used], rows[:, current + channel])
        weight[used, channel], weight[current + channel, channel] = -model.coef_, 1
        bias[channel] = -model.intercept_
    deviation = _deviation(rows @ weight + bias)
    return Forecaster(scaler, weight / deviation, bias / deviation, over_channels)


def _regression(name: Regression, penalty: float | None) -> Any:
    if name == "ols":
        return LinearRegression()
    models = {"ridge": Ridge, "lasso": Lasso, "elastic-net": ElasticNet, "huber": HuberRegressor}
    return models[name](alpha=PENALTIES[name] if penalty is None else penalty)


def _deviation(residuals: Samples) -> Samples:
    """[channels], by the median absolute deviation with the floors above."""
    mad = np.median(np.abs(residuals - np.median(residuals, axis=0)), axis=0)
    floor = np.maximum(SMALLEST_SHARE * residuals.std(axis=0), SMALLEST_DEVIATION)
    floored: Samples = np.maximum(MAD_TO_DEVIATION * mad, floor)
    return floored
