"""What heads, neurons and layers cost one by one, and what a model costs on average under random gates.

Parameters, multiply-accumulates and bytes are linear in the numbers of heads and neurons, so `cost_of` on a few shapes
gives every coefficient. Gates are those of CoFi (Xia, Zhong and Chen 2022, arXiv 2204.00408, section 3.1): a unit stays
when its own gate and its sub-layer's are above 0. Left out: the bends of a latency table, which becomes a line.

Sub-layers are numbered like `MaskTensors.all`: the attentions of all layers, then every feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .costs import with_units
from .units import Shape

CostOf = Callable[[Shape], float]


@dataclass(frozen=True)
class LinearCosts:
    """In the cost's unit: `rest`, a model without layers; `layers`, each layer without units; `units`, one head or
    neuron of each sub-layer (0 for a sub-layer of one unit, which goes only with its layer)."""

    rest: float
    layers: tuple[float, ...]
    units: tuple[float, ...]


def sizes_of(shape: Shape) -> tuple[int, ...]:
    """Units in each sub-layer."""
    widths = (width for layer in shape.layers for width in layer.feed_forwards)
    return (*(layer.heads for layer in shape.layers), *widths)


def sub_layers_of(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """For each layer the numbers of its sub-layers: its attention, then its feed-forwards."""
    rest = iter(range(len(shape.layers), len(sizes_of(shape))))
    return tuple((index, *(next(rest) for _ in layer.feed_forwards)) for index, layer in enumerate(shape.layers))


def shape_left(shape: Shape, counts: Sequence[int], smallest: Sequence[int]) -> Shape:
    """The shape with `counts` units in each sub-layer: a layer without any goes, and in a layer that stays a sub-layer
    keeps at least its `smallest` number."""
    parts = sub_layers_of(shape)
    stay = [any(counts[s] for s in own) for own in parts]
    least = [max(count, least) for count, least in zip(counts, smallest, strict=True)]
    cut = with_units(shape, least[: len(parts)], [[least[s] for s in own[1:]] for own in parts])
    return replace(cut, layers=tuple(layer for layer, stays in zip(cut.layers, stay, strict=True) if stays))


def linear_costs(shape: Shape, cost: CostOf) -> LinearCosts:
    """The coefficients of `cost` around this shape, from one cut of each layer and sub-layer."""
    sizes, parts, dense = sizes_of(shape), sub_layers_of(shape), cost(shape)
    ones = (1,) * len(sizes)

    def without(dropped: Sequence[int], left: int) -> float:
        counts = [left if s in dropped else size for s, size in enumerate(sizes)]
        return dense - cost(shape_left(shape, counts, ones))

    units = tuple(without([s], 1) / (size - 1) if size > 1 else 0.0 for s, size in enumerate(sizes))
    # The only layer of a model always stays, so what it costs belongs to the rest.
    layers = tuple(without(own, 0) - sum(sizes[s] * units[s] for s in own) if len(parts) > 1 else 0.0 for own in parts)
    rest = dense - sum(layers) - sum(size * unit for size, unit in zip(sizes, units, strict=True))
    return LinearCosts(rest, layers, units)


def expected_cost(shape: Shape, costs: LinearCosts, gates: Tensor, units: Sequence[Tensor]) -> Tensor:
    """The mean cost of the models that random gates leave, a differentiable scalar.

    `gates` [sub-layers] and `units`, one [units] for each sub-layer, are P(gate > 0), independent of each other. Exact
    for a linear cost and the models of `shape_left` with one unit as the smallest number (a model without any layer
    counted as its rest).
    """
    in_use = torch.stack([gate * (1 - (1 - own).prod()) for gate, own in zip(gates, units, strict=True)])
    total = gates.new_tensor(costs.rest)
    for layer_cost, own in zip(costs.layers, sub_layers_of(shape), strict=True):
        stays = 1 - (1 - in_use[list(own)]).prod()
        total = total + stays * layer_cost
        for s in own:
            # The last term is the unit that a sub-layer without any keeps in a layer that stays.
            total = total + costs.units[s] * (gates[s] * units[s].sum() + stays - in_use[s])
    return total
