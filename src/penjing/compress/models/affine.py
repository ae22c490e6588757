"""Linear layers as pairs of weight and bias, and what the forms for devices do with them before anything runs.

Weights are [outputs, inputs] as in torch. Left out: which layers are put together, which is each architecture's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Affine = tuple[Tensor, Tensor]
"""Weight [outputs, inputs] and bias [outputs]."""


def affine(linear: nn.Linear) -> Affine:
    """The weight and bias of a layer, not copied."""
    return linear.weight, linear.bias


def set_affine(linear: nn.Linear | nn.LayerNorm, values: Affine) -> None:
    """Overwrites weight and bias."""
    for parameter, value in zip((linear.weight, linear.bias), values, strict=True):
        parameter.copy_(value)


def compose(outer: Affine, inner: Affine) -> Affine:
    """x -> outer(inner(x))."""
    return outer[0] @ inner[0], outer[0] @ inner[1] + outer[1]


def scaled(layer: Affine, factor: float) -> Affine:
    """x -> factor * layer(x)."""
    return layer[0] * factor, layer[1] * factor


def stack(*parts: Affine) -> Affine:
    """x -> the outputs of all parts, one after the other."""
    return torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])


def with_mask_column(layer: Affine, heads: int, bias: float) -> Affine:
    """Adds one output to each head: weight 0 and the given bias."""
    weight = layer[0].reshape(heads, -1, layer[0].shape[1])
    offset = layer[1].reshape(heads, -1)
    weight = torch.cat([weight, torch.zeros_like(weight[:, :1])], dim=1)
    offset = torch.cat([offset, torch.full_like(offset[:, :1], bias)], dim=1)
    return weight.flatten(0, 1), offset.flatten()


def linear(layer: Affine) -> nn.Linear:
    """A torch layer of its own, weights copied."""
    weight, bias = layer
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.data.copy_(weight)
    made.bias.data.copy_(bias)
    return made


def table(rows: Tensor) -> nn.Embedding:
    """An embedding of its own, rows copied."""
    made = nn.Embedding(*rows.shape)
    made.weight.data.copy_(rows)
    return made
