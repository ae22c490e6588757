"""The hard-concrete distribution: gates from 0 to 1 that are exactly 0 or exactly 1 with some probability.

Louizos, Welling and Kingma 2018 (arXiv 1712.01312, section 2.2). With u uniform in (0, 1), temperature b = 2/3 and the
stretch from g = -0.1 to z = 1.1:

    s = sigmoid((log u - log(1 - u) + log_alpha) / b)      gate = min(1, max(0, s (z - g) + g))
    P(gate > 0) = sigmoid(log_alpha - b log(-g / z))       expected L0 = sum of P(gate > 0)

`log_alpha` is a tensor of any shape; all functions are elementwise and differentiable. Left out: learned temperatures.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

TEMPERATURE = 2 / 3
LOWEST, HIGHEST = -0.1, 1.1
SMALLEST_DRAW = 1e-6
GATE_SLOPE = 0.8
"""Of the gate at inference; it is then within 0.07 of the samples' mean, on the sharp side."""


def sample(log_alpha: Tensor, generator: Generator | None = None) -> Tensor:
    """Random gates in [0, 1], one each; without a generator from torch's own."""
    drawn = torch.rand(log_alpha.shape, generator=generator, device=log_alpha.device)
    noise = drawn.clamp(SMALLEST_DRAW, 1 - SMALLEST_DRAW).logit()
    stretched = torch.sigmoid((noise + log_alpha) / TEMPERATURE) * (HIGHEST - LOWEST) + LOWEST
    return stretched.clamp(0.0, 1.0)


def gate(log_alpha: Tensor) -> Tensor:
    """The gate at inference, sigmoid(0.8 log_alpha / b), without chance and in (0, 1).

    Of Wang, Wohlwend and Lei 2020 (arXiv 1910.04732), as in CoFi's code. Louizos et al. clamp a stretched sigmoid
    instead (equation 13), which is 0 for some gates that the budget still has room for.
    """
    return torch.sigmoid(GATE_SLOPE * log_alpha / TEMPERATURE)


def probability(log_alpha: Tensor) -> Tensor:
    """P(gate > 0) of each (equation 12)."""
    return torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOWEST / HIGHEST))


def expected_l0(log_alpha: Tensor) -> Tensor:
    """How many gates are not 0 on average, a scalar."""
    return probability(log_alpha).sum()
