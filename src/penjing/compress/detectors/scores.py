"""What a detector's module says of samples, in fp32 as on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .scaling import float_tensor

ROWS_AT_ONCE = 256
"""A bank of prototypes makes a matrix of rows x prototypes x features."""


def score_with_torch(module: nn.Module, samples: NDArray[Any]) -> NDArray[np.float64]:
    """[n] of samples [n, window, channels]."""
    with torch.no_grad():
        chunks = (samples[i : i + ROWS_AT_ONCE] for i in range(0, len(samples), ROWS_AT_ONCE))
        found = [module(float_tensor(chunk)).double().numpy() for chunk in chunks]
    return np.concatenate(found) if found else np.zeros(0)
