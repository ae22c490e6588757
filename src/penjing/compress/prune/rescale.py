"""What a cut model's output matrices need to make up for what was cut: least squares, no labels, no training.

Either a factor for every unit left (Kwon et al. 2022, arXiv 2204.09656, section 4.3), which a plan's masks can hold, or
whole new output matrices and biases, which correct far more. Both pull towards what is there, so that a model from
which nothing was cut stays as it is. Left out: queries, keys, values and the way into the feed-forwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ..tokens import Batch
from .apply import cut_units
from .layerwise import Equations, correct_outputs
from .units import Encoder, Factors, UnitMasks

LARGEST_FACTOR = 10.0
FACTOR_RIDGE, REFIT_RIDGE = 1e-4, 1e-1
"""Pull of the ridges, relative to the mean square of the inputs."""


def rescale(model: Encoder, masks: UnitMasks, batches: Sequence[Batch]) -> UnitMasks:
    """The masks with factors for which each layer's outputs come closest to the uncut model's on `batches`.

    A matrix that would need a factor beyond 10 in size, a sign that its equations say little, keeps its factors.
    """
    order = [group for heads, parts in zip(masks.heads, masks.neurons, strict=True) for group in (heads, *parts)]
    rest, found = iter(order), []

    def correct(layer: nn.Linear, equations: Equations) -> None:
        old = next(rest)
        units = sum(factor != 0 for factor in old)
        factors = solve_factors(layer.weight, equations, units)
        if factors.abs().max() > LARGEST_FACTOR:
            factors = torch.ones_like(factors)
        layer.weight *= factors.repeat_interleave(layer.in_features // units)
        found.append(_times(old, factors))

    correct_outputs(model, cut_units(model, masks), batches, correct)
    return _nested(masks, iter(found))


def refit_outputs(dense: Encoder, small: Encoder, batches: Sequence[Batch]) -> None:
    """Changes the output matrices and biases of `small`, cut out of `dense`, by ridge regression: its residual sums
    come as close to those of `dense` on the texts of `batches` as they can."""
    correct_outputs(dense, small, batches, _refit)


def solve_factors(weight: Tensor, equations: Equations, units: int) -> Tensor:
    """Factors [units] of a linear layer's inputs, which belong to the units in equal shares: least squares of what is
    missing at its outputs, with a small pull towards 1. `weight` is [outputs, inputs]."""
    matrix = weight.double()
    shape = (units, weight.shape[1] // units)
    # What unit u adds is its columns times its inputs: products of these over tokens and outputs need no tokens.
    products = (matrix.T @ matrix) * equations.gram[:-1, :-1]
    gram = products.reshape(*shape, *shape).sum((1, 3))
    cross = (matrix.T * equations.cross[:-1]).sum(1).reshape(shape).sum(1)
    change: Tensor = torch.linalg.solve(_ridged(gram, FACTOR_RIDGE), cross)
    return (1 + change).to(weight.dtype)


def _refit(layer: nn.Linear, equations: Equations) -> None:
    gram = equations.gram.clone()
    gram[:-1, :-1] = _ridged(gram[:-1, :-1], REFIT_RIDGE)  # the bias is free
    change = torch.linalg.solve(gram, equations.cross).to(layer.weight.dtype)
    layer.weight += change[:-1].T
    layer.bias.add_(change[-1])


def _ridged(gram: Tensor, ridge: float) -> Tensor:
    return gram + torch.eye(len(gram), dtype=gram.dtype, device=gram.device) * (ridge * gram.diagonal().mean() + 1e-12)


def _times(old: Factors, factors: Tensor) -> Factors:
    rest = iter(factors.tolist())
    return tuple(factor * next(rest) if factor else 0.0 for factor in old)


def _nested(masks: UnitMasks, groups: Iterator[Factors]) -> UnitMasks:
    """The groups in the layout of `masks`; they come layer by layer, heads first."""
    heads, neurons = [], []
    for parts in masks.neurons:
        heads.append(next(groups))
        neurons.append(tuple(next(groups) for _ in parts))
    return UnitMasks(tuple(heads), tuple(neurons))
