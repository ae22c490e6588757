"""Ridge regressions that are gathered batch by batch, so that the tokens need not be in memory together.

Left out: regressions on all tokens at once (`models/closed_form.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.affine import Affine


class LeastSquares:
    """Linear regression with an intercept: sums over rows, float64."""

    def __init__(self) -> None:
        self.gram, self.cross = torch.zeros(()), torch.zeros(())

    def add(self, inputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> None:
        """Adds [rows, inputs] and [rows, targets]; `weights` [rows] say how much each row's error counts."""
        x = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1)
        weighted = x if weights is None else x * weights[:, None]
        self.gram = self.gram + (weighted.T @ x).double()
        self.cross = self.cross + (weighted.T @ targets).double()

    def solve(self, ridge: float, prior: Tensor) -> Affine:
        """The layer with the least squared error, its weight drawn to `prior` [outputs, inputs].

        `ridge` is the pull, relative to the mean variance of the inputs. The bias is free.
        """
        total = self.gram[-1, -1]
        x_mean, y_mean = self.gram[-1, :-1] / total, self.cross[-1] / total
        gram = self.gram[:-1, :-1] / total - x_mean[:, None] * x_mean
        cross = self.cross[:-1] / total - x_mean[:, None] * y_mean
        start = prior.double()
        pull = torch.eye(len(gram), dtype=gram.dtype, device=gram.device) * (ridge * gram.diagonal().mean() + 1e-12)
        weight = start + torch.linalg.solve(gram + pull, cross - gram @ start.T).T
        return weight.to(prior.dtype), (y_mean - weight @ x_mean).to(prior.dtype)


class ChannelFit:
    """A scale and a shift for every channel: as many regressions of one input."""

    def __init__(self) -> None:
        self.sums = torch.zeros(())

    def add(self, inputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Adds inputs and targets [rows, channels]; `weights` [rows] say how much each row's error counts."""
        x, y = inputs.double(), targets.double()
        parts = torch.stack([torch.ones_like(x), x, y, x * x, x * y])
        self.sums = self.sums + (parts * weights.double()[:, None]).sum(1)

    def solve(self) -> tuple[Tensor, Tensor]:
        """Scales and shifts [channels]; a channel that never changes gets the scale 1."""
        total, x, y, xx, xy = self.sums
        x, y = x / total, y / total
        variance, covariance = xx / total - x * x, xy / total - x * y
        scale = torch.where(variance > 1e-9, covariance / variance.clamp_min(1e-9), torch.ones_like(x))
        return scale.float(), (y - scale * x).float()
