"""Which heads and neurons stay within a budget (Kwon et al. 2022, arXiv 2204.09656, section 4.1, algorithm 1).

For every number of heads, the most important ones stay and the budget's rest is filled with the most important
neurons; the number that keeps the most importance wins. The budget is computed afresh for every number: the public
code's latency search goes on subtracting from one and the same variable. Where heads cost the same everywhere and so
do neurons, the outcome is the best there is; where they do not, importance counts by what a unit costs. Left out:
importances that depend on what else is cut (`fisher.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...runtime.errors import PruningError
from .costs import at_least, with_units
from .importances import Importances
from .linear_costs import CostOf, linear_costs, shape_left, sizes_of
from .units import Factors, Shape, UnitMasks


@dataclass(frozen=True)
class _Ranking:
    """Groups of units in the order in which they are kept; each is (part, its units). The first `fewest` always stay.

    After n groups, `counts[n]` [parts] units are kept, and `importance[n]`.
    """

    groups: tuple[tuple[int, tuple[int, ...]], ...]
    counts: NDArray[np.int64]
    importance: NDArray[np.float64]
    fewest: int


def search(
    shape: Shape,
    importances: Importances,
    cost: CostOf,
    budget: float,
    *,
    smallest_heads: int = 1,
    smallest_neurons: int = 8,
    multiple: int = 1,
) -> UnitMasks:
    """Masks of 0 and 1 of a model that costs at most `budget`; `cost` must not fall when a unit is added.

    Every layer keeps `smallest_heads`, and every feed-forward `smallest_neurons` and a multiple of `multiple`, or all
    that it has. So a `smallest_neurons` beyond all widths leaves the feed-forwards whole, as Michel et al. do. Raises
    PruningError with the nearest possible value when the budget cannot be met or asks for no cut.
    """
    _check_layout(shape, importances)
    parts = [len(layer) for layer in importances.neurons]
    flat = [part for layer in importances.neurons for part in layer]
    prices = _unit_prices(shape, cost)
    heads = _rank(importances.heads, prices[: len(parts)], smallest_heads, 1)
    neurons = _rank(flat, prices[len(parts) :], smallest_neurons, multiple)

    def price(head_groups: int, neuron_groups: int) -> float:
        widths = _nested(neurons.counts[neuron_groups].tolist(), parts)
        return cost(with_units(shape, heads.counts[head_groups].tolist(), widths))

    check_budget(
        shape, cost, budget, smallest_heads=smallest_heads, smallest_neurons=smallest_neurons, multiple=multiple
    )
    candidates = _candidates(heads, neurons, price, budget)
    best = max(candidates, key=lambda c: heads.importance[c[0]] + neurons.importance[c[1]])
    return UnitMasks(tuple(_factors(heads, best[0])), tuple(_nested(_factors(neurons, best[1]), parts)))


def check_budget(
    shape: Shape, cost: CostOf, budget: float, *, smallest_heads: int = 1, smallest_neurons: int = 8, multiple: int = 1
) -> None:
    """Raises PruningError with the nearest possible value for a budget that `search` cannot meet, or that asks for no
    cut; no importances are needed."""
    groups = -(-smallest_neurons // multiple)
    fewest = with_units(
        shape,
        [min(layer.heads, smallest_heads) for layer in shape.layers],
        [tuple(min(width, groups * multiple) for width in layer.feed_forwards) for layer in shape.layers],
    )
    smallest, dense = cost(fewest), cost(shape)
    if not budget >= smallest:
        raise PruningError(
            f"the budget is {budget:.10g}, but the smallest model that still has every layer costs"
            f" {at_least(smallest)}: allow at least that, or cut widths or layers first"
        )
    if budget >= dense:
        raise PruningError(
            f"the budget is {budget:.10g}, but the model costs {dense:.10g} as it is: ask for less than that"
        )


def linear_cost(shape: Shape, cost: CostOf) -> CostOf:
    """`cost` as a sum over heads and neurons, from a few evaluations: exact, and much faster, for parameters,
    multiply-accumulates and bytes; not for latency."""
    costs = linear_costs(shape, cost)
    fixed = costs.rest + sum(costs.layers)
    return lambda cut: fixed + sum(size * unit for size, unit in zip(sizes_of(cut), costs.units, strict=True))


def _unit_prices(shape: Shape, cost: CostOf) -> list[float]:
    """What one head of each layer costs, then one neuron of each feed-forward; 0 for an only one.

    The mean over all but one, as the last one alone may seem to cost nothing where a latency table has a step.
    """
    dense, sizes = cost(shape), sizes_of(shape)
    alone = ([*sizes[:part], 1, *sizes[part + 1 :]] for part in range(len(sizes)))
    saved = (dense - cost(shape_left(shape, counts, (1,) * len(sizes))) for counts in alone)
    return [saving / max(1, size - 1) for saving, size in zip(saved, sizes, strict=True)]


def _rank(parts: Sequence[Tensor], prices: Sequence[float], smallest: int, multiple: int) -> _Ranking:
    """The units of each part, most important first, in groups of `multiple`; then all groups, first those that always
    stay, then by importance for the price."""
    found = []
    for part, (values, price) in enumerate(zip(parts, prices, strict=True)):
        order = values.argsort(descending=True, stable=True).tolist()
        for start in range(0, len(order), multiple):
            units = tuple(order[start : start + multiple])
            importance = values[list(units)].sum().item()
            worth = importance / len(units) / price if price > 0 else inf
            found.append((start >= smallest, -worth, part, units, importance))
    found.sort(key=lambda group: group[:3])
    groups = tuple((part, units) for _, _, part, units, _ in found)
    counts = np.zeros((len(groups) + 1, len(parts)), np.int64)
    for row, (part, units) in enumerate(groups):
        counts[row + 1] = counts[row]
        counts[row + 1, part] += len(units)
    kept = np.cumsum([0.0, *(importance for *_, importance in found)])
    return _Ranking(groups, counts, kept, sum(not later for later, *_ in found))


def _candidates(
    heads: _Ranking, neurons: _Ranking, price: Callable[[int, int], float], budget: float
) -> Iterator[tuple[int, int]]:
    """For each affordable number of heads, the largest number of neuron groups; counted in groups."""
    for head_groups in range(heads.fewest, len(heads.groups) + 1):
        room = range(neurons.fewest, len(neurons.groups) + 1)
        fitting = bisect_right(room, budget, key=lambda n, h=head_groups: price(h, n))  # type: ignore[misc]
        if fitting:
            yield head_groups, room[fitting - 1]


def _factors(ranking: _Ranking, groups: int) -> list[Factors]:
    """Masks of all parts when the first `groups` stay."""
    masks = [[0.0] * int(count) for count in ranking.counts[-1]]
    for part, units in ranking.groups[:groups]:
        for unit in units:
            masks[part][unit] = 1.0
    return [tuple(mask) for mask in masks]


def _nested(values: Sequence, lengths: Sequence[int]) -> list[tuple]:  # type: ignore[type-arg]
    """A flat row, one value a feed-forward, layer by layer."""
    rest = iter(values)
    return [tuple(next(rest) for _ in range(length)) for length in lengths]


def _check_layout(shape: Shape, importances: Importances) -> None:
    wanted = [(layer.heads, layer.feed_forwards) for layer in shape.layers]
    found = [
        (len(heads), tuple(len(part) for part in parts))
        for heads, parts in zip(importances.heads, importances.neurons, strict=True)
    ]
    if wanted != found:
        raise PruningError(
            f"the importances are of {len(found)} layers with heads and neurons {found}, the model has {wanted}:"
            " take both from the same model"
        )
