"""The scaler that every detector holds, and the checks that every fit starts with.

Left out: reading samples (`samples.py`), and filling gaps in them, which is the stream's work on the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...runtime.errors import TrainingError

Samples = NDArray[np.float64]
"""[n, window, channels]; a window of 1 is one sample of a table."""
SMALLEST_SPREAD = 1e-6
"""Share of its mean by which a channel must spread to count as changing: less is rounding, on the device and of the
mean itself (1,000 times 0.1 have a standard deviation of 1e-17)."""


class Scaler(nn.Module):
    """(x - location) / scale, channel by channel, on [..., channels]; the product is taken with the inverse."""

    location: Tensor
    inverse: Tensor

    def __init__(self, location: NDArray[Any], scale: NDArray[Any]) -> None:
        super().__init__()
        self.register_buffer("location", float_tensor(location))
        self.register_buffer("inverse", float_tensor(1 / scale))

    def forward(self, samples: Tensor) -> Tensor:
        return (samples - self.location) * self.inverse


def standard_scaler(samples: Samples) -> Scaler:
    """Mean and standard deviation of each channel over all rows and places; a constant channel keeps its unit."""
    rows = samples.reshape(-1, samples.shape[-1])
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    return Scaler(mean, np.where(spread > SMALLEST_SPREAD * np.abs(mean), spread, 1.0))


def scaled(scaler: Scaler, samples: Samples) -> Samples:
    """What the scaler makes of samples, in float64 for the fit."""
    location, inverse = scaler.location.double().numpy(), scaler.inverse.double().numpy()
    answer: Samples = (samples - location) * inverse
    return answer


def float_tensor(values: NDArray[Any]) -> Tensor:
    """A float32 tensor of its own memory."""
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def check_fit(samples: Samples, detector: str, fewest: int = 2, window: int = 1) -> None:
    """Raises TrainingError unless `samples` are [n >= fewest, at least `window`, channels] finite numbers."""
    if samples.ndim != 3 or samples.shape[2] < 1:
        raise TrainingError(f"{detector} is fitted on [n, window, channels], not {list(samples.shape)}: reshape them")
    if len(samples) < fewest:
        raise TrainingError(f"{detector} needs at least {fewest} rows, there are {len(samples)}: give more data")
    if samples.shape[1] < window:
        raise TrainingError(
            f"{detector} needs a window of at least {window} samples, this one has {samples.shape[1]}: set data.window"
        )
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).any(axis=(1, 2)).sum())
        raise TrainingError(
            f"{detector}: {bad} of {len(samples)} rows hold values that are not finite: fill or drop them"
        )
