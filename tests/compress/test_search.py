"""The search: optimal against brute force, the budget the same for every candidate, and refusals that help."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import pytest
import torch
from tiny_classifiers import tiny_bert, tiny_mobilebert

from penjing.compress.models.bert import BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.prune.costs import LatencyTable, cost_of, shape_after
from penjing.compress.prune.importances import Importances
from penjing.compress.prune.make_plan import Budget, choose_units
from penjing.compress.prune.search import linear_cost, search
from penjing.compress.prune.units import Encoder, Shape, UnitMasks, full_masks
from penjing.runtime.errors import PruningError

MODELS = pytest.mark.parametrize("model", [tiny_bert(), tiny_mobilebert()], ids=["bert", "mobilebert"])


def weighted(head: float, neuron: float) -> Callable[[Shape], float]:
    """A cost of so much a head and so much a neuron."""
    return lambda shape: sum(head * layer.heads + neuron * sum(layer.feed_forwards) for layer in shape.layers)


def random_importances(shape: Shape, seed: int = 0) -> Importances:
    source = torch.Generator().manual_seed(seed)
    heads = tuple(torch.rand(layer.heads, generator=source) * 5 for layer in shape.layers)
    neurons = tuple(tuple(torch.rand(w, generator=source) for w in layer.feed_forwards) for layer in shape.layers)
    return Importances(heads, neurons)


def kept_importance(masks: UnitMasks, importances: Importances) -> float:
    total = sum((torch.tensor(m) * i).sum().item() for m, i in zip(masks.heads, importances.heads, strict=True))
    for parts, values in zip(masks.neurons, importances.neurons, strict=True):
        total += sum((torch.tensor(m) * i).sum().item() for m, i in zip(parts, values, strict=True))
    return total


def best_by_brute_force(shape: Shape, importances: Importances, head: float, budget: float) -> float:
    """The largest importance of any subset that leaves each part a unit; a neuron costs 1."""
    heads = torch.cat(importances.heads).tolist()
    neurons = torch.cat([part for layer in importances.neurons for part in layer]).tolist()
    head_parts = [i for i, layer in enumerate(shape.layers) for _ in range(layer.heads)]
    widths = [w for layer in shape.layers for w in layer.feed_forwards]
    neuron_parts = [i for i, width in enumerate(widths) for _ in range(width)]
    tops = [_best_sums(heads, head_parts), _best_sums(neurons, neuron_parts)]
    return max(a + b for n, a in tops[0].items() for m, b in tops[1].items() if n * head + m <= budget)


def _best_sums(values: list[float], parts: list[int]) -> dict[int, float]:
    """For each size, the best sum of a subset that touches every part."""
    best: dict[int, float] = {}
    for size in range(1, len(values) + 1):
        for subset in combinations(range(len(values)), size):
            if {parts[i] for i in subset} == set(parts):
                best[size] = max(best.get(size, 0.0), sum(values[i] for i in subset))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_outcome_is_the_best_of_all_subsets(seed: int) -> None:

    shape = BertShape((LayerShape(3, 4, (5,)), LayerShape(4, 4, (6,))), 20, 16, 16, 10)
    importances = random_importances(shape, seed)
    source = random.Random(seed)
    head = source.uniform(1, 4)
    budget = source.uniform(0.5, 0.95) * weighted(head, 1)(shape)
    found = search(shape, importances, weighted(head, 1), budget, smallest_neurons=1)
    assert weighted(head, 1)(shape_after(shape, found)) <= budget
    assert kept_importance(found, importances) == pytest.approx(best_by_brute_force(shape, importances, head, budget))


def test_the_last_number_of_heads_still_has_the_whole_budget() -> None:
    # A search that uses the budget up on the numbers that it tries first has nothing left for this one.
    model = tiny_bert()
    importances = random_importances(model.config)
    valued = Importances(tuple(h + 100 for h in importances.heads), importances.neurons)
    found = search(model.config, valued, weighted(2, 1), 24 + 24 + 12, smallest_neurons=1)
    assert found.kept_heads == (4, 4, 4)
    assert sum(width for (width,) in found.kept_neurons) == 24 + 24 + 12 - 2 * 12


@MODELS
def test_the_budget_is_met_and_floors_and_multiples_hold(model: Encoder) -> None:
    def macs(shape: Shape) -> float:
        return cost_of(shape, model.num_labels, 16).macs

    dense = macs(model.config)
    cost = linear_cost(model.config, macs)
    for share in (0.9, 0.8, 0.7):
        found = search(
            model.config, random_importances(model.config), cost, share * dense, smallest_heads=2, multiple=5
        )
        got = macs(shape_after(model.config, found))
        assert share * dense - 5 * 4 * 32 * 16 < got <= share * dense
        assert min(found.kept_heads) >= 2
        for width in (width for layer in found.kept_neurons for width in layer):
            assert width >= 10  # 8 rounded up
            assert width % 5 == 0 or width == 24


def test_units_that_cost_next_to_nothing_are_cut_last() -> None:
    shape = tiny_bert().config

    def cost(cut: Shape) -> float:
        return weighted(2, 1)(cut) - 0.99 * cut.layers[-1].feed_forwards[0]

    importances = random_importances(shape)
    lower = Importances(importances.heads, (*importances.neurons[:2], ((importances.neurons[2][0] + 1) / 20,)))
    found = search(shape, lower, cost, 0.55 * cost(shape))
    assert found.kept_neurons[2] == (24,)
    assert cost(shape_after(shape, found)) <= 0.55 * cost(shape)


def test_latency_by_a_table_is_met_too() -> None:
    model = tiny_bert()
    table = LatencyTable("test", 16, ((1, 1.0), (2, 1.1), (4, 2.0)), ((1, 0.5), (8, 0.6), (24, 3.0)), 0.2)
    dense = table.predict(model.config)
    found = search(model.config, random_importances(model.config), table.predict, dense / 2)
    assert table.predict(shape_after(model.config, found)) <= dense / 2


def test_where_the_last_head_costs_nothing_the_most_important_heads_stay_all_the_same() -> None:
    model = tiny_bert()
    table = LatencyTable("test", 16, ((1, 1.0), (3, 3.0), (4, 3.0)), ((1, 1.0), (24, 1.0)), 0.0)
    heads = (torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([5.0, 6.0, 7.0, 8.0]), torch.tensor([0.1, 0.2, 0.3, 0.4]))
    importances = Importances(heads, random_importances(model.config).neurons)
    found = search(model.config, importances, table.predict, table.predict(model.config) - 4)
    assert found.kept_heads == (1, 4, 1)


def test_the_nearest_possible_budget_is_possible() -> None:
    model = tiny_bert()
    importances = random_importances(model.config)
    for neuron in (1 / 3, 1 / 7, 0.1):
        with pytest.raises(PruningError) as refused:
            search(model.config, importances, weighted(2 / 3, neuron), 1)
        nearest = float(str(refused.value).partition("costs ")[2].partition(":")[0])
        assert search(model.config, importances, weighted(2 / 3, neuron), nearest).kept_heads == (1, 1, 1)


def test_a_floor_beyond_all_widths_cuts_heads_alone() -> None:
    model = tiny_mobilebert()
    importances = random_importances(model.config)
    found = search(model.config, importances, weighted(1, 0), 7, smallest_neurons=1_000)
    assert found.neurons == full_masks(model.config).neurons
    assert sum(found.kept_heads) == 7
    kept = [values[torch.tensor(mask) == 1] for mask, values in zip(found.heads, importances.heads, strict=True)]
    cut = [values[torch.tensor(mask) == 0] for mask, values in zip(found.heads, importances.heads, strict=True)]
    for inside, outside in zip(kept, cut, strict=True):
        assert inside.min() >= outside.max()


@MODELS
def test_a_linear_cost_is_exact_for_all_that_is_counted(model: Encoder) -> None:
    for name in ("parameters", "macs", "bytes"):

        def cost(shape: Shape, name: str = name) -> float:
            return float(getattr(cost_of(shape, model.num_labels, 16), name))

        masks = search(model.config, random_importances(model.config), weighted(3, 1), 70)
        cut = shape_after(model.config, masks)
        assert linear_cost(model.config, cost)(cut) == pytest.approx(cost(cut), rel=1e-12)


def test_a_budget_below_the_smallest_model_or_not_below_the_dense_one_is_refused_with_the_nearest() -> None:
    model = tiny_bert()
    importances, cost = random_importances(model.config), weighted(2, 1)
    with pytest.raises(PruningError, match=r"budget is 29, but the smallest model .* costs 30: allow at least that"):
        search(model.config, importances, cost, 29)
    with pytest.raises(PruningError, match="the model costs 96 as it is"):
        search(model.config, importances, cost, 96)
    with pytest.raises(PruningError, match="budget is nan"):
        search(model.config, importances, cost, float("nan"))
    assert search(model.config, importances, cost, 30).kept_heads == (1, 1, 1)


def test_importances_of_another_model_are_refused() -> None:
    with pytest.raises(PruningError, match=r"importances are of 3 layers.*take both from the same model"):
        search(tiny_bert().config, random_importances(tiny_mobilebert().config), weighted(1, 1), 50)


@dataclass(frozen=True)
class Settings:
    """What `choose_units` reads of a recipe."""

    layers: int | None = None
    vocabulary: int | None = None
    units: str = "fisher"
    rate: float | None = None
    multiple: int = 1


@pytest.mark.parametrize("limit", [10.0, 1e9])
def test_an_impossible_budget_is_told_before_any_text_is_read(limit: float) -> None:
    with pytest.raises(PruningError, match="the budget is"):
        choose_units(tiny_bert(), Settings(), [], Budget("parameters", limit, 16), None)
