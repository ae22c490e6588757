"""Relative entropy: how unlike the training data's the distribution of a window's values is, channel by channel.

Information-theoretic techniques in Chandola, Banerjee and Kumar 2009, section 8; Wang et al. 2011 on windows. The
histogram of a window over quantile bins of the training data is compared with theirs by the Kullback-Leibler
divergence in nats.
The two outermost bins lie outside the training range. Left out: several references, and the order of a window's values.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .scaling import Samples, check_fit, float_tensor

FEWEST_SAMPLES = 8
"""Of a window: a histogram of fewer values says little."""
SMALLEST_SHARE = 1e-6
"""Stands for 0 in a logarithm that is multiplied by 0."""


class RelativeEntropy(nn.Module):
    """samples [batch, window, channels] to the largest or the mean divergence of the channels, [batch].

    `edges` [channels, bins - 1] ascend, `log_reference` [channels, bins] are the logarithms of the bins' shares.
    """

    edges: Tensor
    log_reference: Tensor
    differences: Tensor
    first: Tensor

    def __init__(self, edges: Samples, log_reference: Samples, over_channels: Literal["max", "mean"]) -> None:
        super().__init__()
        self.over_channels = over_channels
        self.register_buffer("edges", float_tensor(edges))
        self.register_buffer("log_reference", float_tensor(log_reference))
        bins = log_reference.shape[1]
        # Shares above each edge times this, with a 1 for the first bin, are the shares between edges.
        self.register_buffer("differences", float_tensor(np.eye(bins - 1, bins, 1) - np.eye(bins - 1, bins)))
        self.register_buffer("first", float_tensor(np.eye(1, bins)[0]))

    def forward(self, samples: Tensor) -> Tensor:
        above = (samples.unsqueeze(3) > self.edges).to(samples.dtype).mean(1)
        shares = above @ self.differences + self.first
        divergence = (shares * (shares.clamp(min=SMALLEST_SHARE).log() - self.log_reference)).sum(2)
        return divergence.amax(1) if self.over_channels == "max" else divergence.mean(1)


def fit_relative_entropy(
    samples: Samples, *, bins: int = 16, over_channels: Literal["max", "mean"] = "mean", seed: int = 0
) -> RelativeEntropy:
    """Fits on [n, window >= 8, channels]: `bins` quantile bins within the training range, fewer where values repeat.

    `seed` is not used. Raises TrainingError.
    """
    check_fit(samples, "relative_entropy", window=FEWEST_SAMPLES)
    if bins < 2:
        raise TrainingError(f"relative_entropy: bins is {bins}: give 2 or more")
    rows = samples.reshape(-1, samples.shape[2]).astype(np.float32)  # as the device will see them
    edges = np.full((rows.shape[1], bins + 1), np.finfo(np.float32).max)
    log_reference = np.zeros((rows.shape[1], bins + 2))
    for channel, column in enumerate(rows.T):
        found = edges_of(column, bins)
        counts = np.bincount(np.searchsorted(found, column, side="left"), minlength=bins + 2)
        edges[channel, : len(found)] = found
        log_reference[channel] = np.log((counts + 1) / (len(column) + bins + 2))
    return RelativeEntropy(edges, log_reference, over_channels)


def edges_of(column: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """From just below the smallest value over the inner quantiles to the largest, distinct and ascending.

    A value lies in a bin when it is above the bin's lower edge and not above its upper one.
    """
    quantiles = np.quantile(column, np.linspace(0, 1, bins + 1), method="lower")
    quantiles[0] = np.nextafter(quantiles[0], np.float32(-np.inf))
    return np.unique(quantiles)
