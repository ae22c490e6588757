"""Convolutional autoencoder for windows: a shape that normal windows do not have does not come back.

The network is `models/conv_autoencoder.py`; the score is the mean squared error over the window, in the graph and in
scaled units. Batch norm stays in the module, so that network slimming can cut it; files have it folded by their
exporter or engine. Left out: overlapping windows, which the stream makes, and a score for each place of the window.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..models.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from .descent import Descent, descend, seeded
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler

FEWEST_ROWS = 20
EPOCHS, STEPS = 60, 1000
"""60 epochs of the 117 normal beats of ECG5000 are 60 steps, after which anomalous ones come back as well."""
DEEPEST, WIDEST_CODE = 3, 32
CODE_SHARE = 4
"""The default code has one number for this many of the window: a wider one lets everything through."""


class ConvReconstruction(nn.Module):
    """samples [batch, window, channels] to the mean squared error [batch] of their reconstruction, in scaled units."""

    def __init__(self, scaler: Scaler, network: ConvAutoencoder) -> None:
        super().__init__()
        self.scaler, self.network = scaler, network

    def forward(self, samples: Tensor) -> Tensor:
        windows = self.scaler(samples).transpose(1, 2)
        errors: Tensor = (self.network(windows) - windows).square().flatten(1).mean(1)
        return errors


def fit_conv_autoencoder(
    samples: Samples,
    *,
    encoder: Sequence[int] | None = None,
    kernel_size: int = 5,
    epochs: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> ConvReconstruction:
    """Fits on [n, window, channels]; `encoder` has the width of each block, and each block halves the window.

    The decoder mirrors it. Without `epochs` there are EPOCHS, or as many as make STEPS batches. Raises TrainingError
    for fewer than 20 windows, or a window that cannot be halved.
    """
    check_fit(samples, "conv_autoencoder", FEWEST_ROWS, window=2)
    epochs = epochs or max(EPOCHS, -(-STEPS * batch_size // len(samples)))
    plan = Descent(epochs, batch_size, learning_rate, seed)
    scaler = standard_scaler(samples)
    windows = float_tensor(scaled(scaler, samples)).transpose(1, 2)
    _, channels, window = windows.shape
    widths = tuple(encoder) if encoder is not None else default_encoder(channels, window)
    config = ConvAutoencoderConfig(channels, window, widths, widths[-2::-1], kernel_size)
    with seeded(seed):
        network = ConvAutoencoder(config)
    descend(network, windows, windows, plan, "convolutional autoencoder")
    return ConvReconstruction(scaler, network).eval()


def default_encoder(channels: int, window: int) -> tuple[int, ...]:
    """Up to three halvings, as many as the window allows, and a code of a quarter of the window's numbers."""
    depth = next((d for d in range(DEEPEST, 1, -1) if window % 2**d == 0), 1)
    code = min(WIDEST_CODE, max(1, channels * 2**depth // CODE_SHARE))
    return (*(32, 16)[: depth - 1], code)
