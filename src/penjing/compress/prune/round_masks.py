"""From scores of heads and neurons to a cut that costs at most its budget: the highest scores of the whole model stay.

As in CoFi (Xia, Zhong and Chen 2022, arXiv 2204.00408) a sub-layer may lose everything, and a layer whose sub-layers
all did is gone. In a layer that stays, our models need a unit in each sub-layer: the one with the highest score stays.
Left out: weighing scores against costs, which the scores have already done when a budget trained them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from .costs import at_least
from .linear_costs import CostOf, shape_left, sizes_of, sub_layers_of
from .units import Shape


@dataclass(frozen=True)
class _Block:
    """Units of one sub-layer that stay or go together: one head, or as many neurons as the multiple."""

    score: float
    sub_layer: int
    units: tuple[int, ...]


Blocks = Sequence[_Block]


def units_within(
    shape: Shape, scores: Sequence[Tensor], cost: CostOf, limit: float, multiple: int = 1
) -> tuple[Tensor, ...]:
    """For each sub-layer, numbered as in `linear_costs`, which of its units stay: [units] of True and False.

    `scores` has one tensor [units] for each sub-layer. Widths are multiples of `multiple`, or dense. A layer that goes
    is all False. Raises PruningError when not even one layer fits in the limit, or a score is not a number.
    """
    if not all(own.isfinite().all() for own in scores):
        raise PruningError("a score of a head or a neuron is not a number: train again with a lower learning rate")
    blocks = _blocks(shape, scores, multiple)
    smallest = [next(len(block.units) for block in blocks if block.sub_layer == s) for s in range(len(scores))]

    def cost_with(taken: Blocks) -> float:
        return cost(shape_left(shape, _counts(taken, len(scores)), smallest))

    least = cost_with(blocks[:1])
    if least > limit:
        raise PruningError(
            f"the budget is {limit:.10g}, the smallest cut of this model costs {at_least(least)}: ask for it"
        )

    def most(taken: Blocks, more: Blocks) -> Blocks:
        """`taken` and the longest beginning of `more` that fits; costs only rise with it."""
        lengths = range(1, len(more) + 1)
        return [*taken, *more[: bisect_left(lengths, True, key=lambda n: cost_with([*taken, *more[:n]]) > limit)]]

    taken = most([], blocks)
    # The next unit does not fit, also where it would bring back a whole layer: what is left goes to those that stay.
    stay = [own for own in sub_layers_of(shape) if any(block.sub_layer in own for block in taken)]
    rest, attentions = blocks[len(taken) :], {own[0] for own in stay}
    taken = most(taken, [block for block in rest if block.sub_layer in attentions])
    feed_forwards = {s for own in stay for s in own[1:]}
    return _as_masks(shape, blocks, most(taken, [block for block in rest if block.sub_layer in feed_forwards]))


def _blocks(shape: Shape, scores: Sequence[Tensor], multiple: int) -> list[_Block]:
    blocks = []
    for s, own in enumerate(scores):
        order = own.argsort(descending=True, stable=True).tolist()
        size = 1 if s < len(shape.layers) else multiple
        for units in (tuple(order[start : start + size]) for start in range(0, len(order), size)):
            blocks.append(_Block(float(own[list(units)].mean()), s, units))
    return sorted(blocks, key=lambda block: -block.score)


def _counts(taken: Blocks, sub_layers: int) -> list[int]:
    counts = [0] * sub_layers
    for block in taken:
        counts[block.sub_layer] += len(block.units)
    return counts


def _as_masks(shape: Shape, blocks: Blocks, taken: Blocks) -> tuple[Tensor, ...]:
    masks = [torch.zeros(size, dtype=torch.bool) for size in sizes_of(shape)]
    for block in taken:
        masks[block.sub_layer][list(block.units)] = True
    for own in sub_layers_of(shape):
        if any(masks[s].any() for s in own):
            for s in own:
                first = next(block for block in blocks if block.sub_layer == s)
                masks[s][list(first.units)] = True
    return tuple(masks)
