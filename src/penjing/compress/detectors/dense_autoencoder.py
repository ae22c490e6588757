"""Dense autoencoder: normal rows can be told in fewer numbers, and what comes back wrong is anomalous.

Neural techniques of one class (replicator networks) in Chandola, Banerjee and Kumar 2009, section 4.1. The score is
the mean squared error of the reconstruction, computed in the graph and in float in int8 files, too. Left out: the clip
score of MLPerf Tiny, a mean over windows, which the stream can take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..models.dense_autoencoder import DenseAutoencoder, DenseAutoencoderConfig, folded, scaled_config
from .descent import Descent, descend, seeded
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler

FEWEST_ROWS = 20
"""Fewer would leave one row to judge the epochs by and batch norm with a handful."""


class DenseReconstruction(nn.Module):
    """samples [batch, window, channels] to the mean squared error [batch] of their reconstruction, in scaled units."""

    def __init__(self, scaler: Scaler, network: DenseAutoencoder) -> None:
        super().__init__()
        self.scaler, self.network = scaler, network

    def forward(self, samples: Tensor) -> Tensor:
        rows = self.scaler(samples).flatten(1)
        errors: Tensor = (self.network(rows) - rows).square().mean(1)
        return errors


def fit_dense_autoencoder(
    samples: Samples,
    *,
    widths: Sequence[int] | None = None,
    epochs: int = 60,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> DenseReconstruction:
    """Fits on [n, window, channels]; a window counts as one row of window x channels values.

    `widths` are those of the hidden layers, the code among them (`MLPERF_AD01.widths`); without, they follow the row.
    Batch norm is folded in what is returned. Raises TrainingError for fewer than 20 rows.
    """
    check_fit(samples, "dense_autoencoder", FEWEST_ROWS)
    plan = Descent(epochs, batch_size, learning_rate, seed)
    scaler = standard_scaler(samples)
    rows = float_tensor(scaled(scaler, samples)).flatten(1)
    size = rows.shape[1]
    config = DenseAutoencoderConfig(size, tuple(widths)) if widths is not None else scaled_config(size)
    with seeded(seed):
        network = DenseAutoencoder(config)
    descend(network, rows, rows, plan, "dense autoencoder")
    detector = DenseReconstruction(scaler, folded(network)).eval()
    if samples.shape[1] == 1:
        move_output_bias(detector)
    return detector


def move_output_bias(detector: DenseReconstruction) -> None:
    """The scaler takes from a row what the output would add to its reconstruction: the same scores from fewer numbers.

    The scaler has one location a channel, so that this is for windows of 1.
    """
    scaler, output = detector.scaler, detector.network.output
    first: Any = detector.network.blocks[0]
    with torch.no_grad():
        scaler.location += output.bias / scaler.inverse
        first.linear.bias += first.linear.weight @ output.bias
    output.register_parameter("bias", None)
