"""Learned masks: costs in closed form, the Lagrangian on its target, and cuts that fit the budget and stay whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penjing.compress import training
from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.compress.prune.costs import LatencyTable, cost_of, shape_after
from penjing.compress.prune.hard_concrete import probability
from penjing.compress.prune.learned import CoTraining, LearnedMasks, learn_masks, masked
from penjing.compress.prune.linear_costs import expected_cost, linear_costs, shape_left, sizes_of
from penjing.compress.prune.units import Encoder, Shape, UnitMasks, as_tensors, layers_of
from penjing.compress.training import TrainingPlan
from penjing.runtime.errors import PruningError

BERT = BertShape((LayerShape(4, 4, (24,)), LayerShape(3, 4, (16,)), LayerShape(1, 4, (20,))), 30, 16, 16, 12)
MOBILEBERT = MobileBertConfig(
    (LayerShape(4, 4, (12, 8)), LayerShape(2, 4, (10, 6))), 30, hidden_size=24, embedding_size=8, bottleneck_size=16
)
PLAN = TrainingPlan(epochs=10, batch_size=16, learning_rate=1e-3, warmup=0.1, evaluations_per_epoch=1, seed=3)
LENGTHS = np.full(96, 8)


@dataclass(frozen=True)
class Outcome:
    """Of one run: what `learn_masks` returned, the expected cost at each step, and the last step's probabilities."""

    kept: tuple[int, ...]
    cut: UnitMasks
    costs: list[float]
    probabilities: list[Tensor]


class InterruptedTrainingError(Exception):
    """Stands for a kill in the middle of training."""


def macs(shape: Shape) -> float:
    """Counted by hand, for speed; a test compares it with `cost_of`."""
    heads = sum(layer.heads for layer in shape.layers)
    neurons = sum(sum(layer.feed_forwards) for layer in shape.layers)
    return 16 * (2 + 16) + (4 * 16 * 4 * 8 + 2 * 4 * 8**2) * heads + 2 * 16 * 8 * neurons


def cost_with_layers(shape: Shape) -> float:
    """A cost in which a layer counts for itself, as bytes do."""
    return 1000 + sum(300 + 90 * layer.heads + 10 * sum(layer.feed_forwards) for layer in shape.layers)


def make(shape: Shape) -> Encoder:
    torch.manual_seed(0)
    model = BertClassifier(shape, 2) if isinstance(shape, BertShape) else MobileBertClassifier(shape, 2)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3) if parameter.dim() > 1 else None
    return model.eval()


def texts() -> Tensor:
    return torch.randint(1, 30, (96, 8), generator=torch.Generator().manual_seed(1))


def logits_of(model: nn.Module, ids: Tensor) -> Tensor:
    logits: Tensor = model(ids, torch.ones_like(ids), torch.zeros_like(ids))
    return logits


@torch.no_grad()
def with_useless_units(shape: Shape) -> Encoder:
    """Only the first half of each sub-layer's units has any effect."""
    model = make(shape)
    for layer in layers_of(model):
        half = -(-layer.attention.self.heads // 2) * layer.attention.self.head_size
        layer.attention.output.dense.weight[:, half:] = 0
        for _, down in layer.stacked():
            down.dense.weight[:, down.dense.in_features // 2 :] = 0
    return model


def learn(model: Encoder, limit: float, folder: Path, stop_at: int | None = None, plan: TrainingPlan = PLAN) -> Outcome:
    """Learns to keep the model's own logits."""
    ids = texts()
    with torch.no_grad():
        wanted = logits_of(model, ids)
    costs: list[float] = []
    chances: list[Tensor] = []

    def base_loss(module: nn.Module, indices: list[int]) -> Tensor:
        assert isinstance(module, CoTraining)
        if len(costs) + 1 == stop_at:
            raise InterruptedTrainingError
        costs.append(module.masks.expected_cost().item())
        chances[:] = [probability(own.detach() * module.masks.rate) for own in module.masks.units]
        return (logits_of(module, ids[indices]) - wanted[indices]).square().mean()

    def evaluate() -> float:
        return 1 / (1 + float((logits_of(model, ids) - wanted).square().mean()))

    kept, cut = learn_masks(model, LENGTHS, base_loss, evaluate, plan, macs, limit, folder, "test")
    return Outcome(kept, cut, costs, chances)


@pytest.mark.parametrize("field", ["parameters", "non_embedding", "macs", "bytes"])
@pytest.mark.parametrize("shape", [BERT, MOBILEBERT], ids=["bert", "mobilebert"])
def test_the_expected_cost_of_certain_gates_is_the_cost_of_the_model_they_leave(shape: Shape, field: str) -> None:
    def cost(shape: Shape) -> float:
        return float(getattr(cost_of(shape, 2, 8), field))

    costs, sizes = linear_costs(shape, cost), sizes_of(shape)
    ones = [1] * len(sizes)
    first_layer_gone = [0 if s in (0, len(shape.layers), len(shape.layers) + len(sizes) // 2 - 1) else n // 2 or 1
                        for s, n in enumerate(sizes)]  # fmt: skip
    for counts in (sizes, [n // 2 or 1 for n in sizes], [0, *sizes[1:]], first_layer_gone):
        units = [(torch.arange(n) < count).float() for n, count in zip(sizes, counts, strict=True)]
        gates = torch.tensor([float(count > 0) for count in counts])
        found = expected_cost(shape, costs, gates, units).item()
        assert found == pytest.approx(cost(shape_left(shape, counts, ones)), rel=1e-5)


@pytest.mark.parametrize("shape", [BERT, MOBILEBERT], ids=["bert", "mobilebert"])
def test_the_expected_cost_is_the_mean_cost_of_sampled_models_within_its_error(shape: Shape) -> None:
    source = torch.Generator().manual_seed(4)
    sizes = sizes_of(shape)
    gates = torch.rand(len(sizes), generator=source) * 0.6 + 0.2
    units = [torch.rand(n, generator=source) * 0.5 for n in sizes]
    gates[1], units[1] = torch.tensor(1.0), torch.ones(sizes[1])  # one layer at least stays
    found = []
    for _ in range(600):
        on = [torch.rand(n, generator=source) < p for n, p in zip(sizes, units, strict=True)]
        open_ = torch.rand(len(sizes), generator=source) < gates
        counts = [int(o.sum()) * int(g) for o, g in zip(on, open_, strict=True)]
        found.append(cost_with_layers(shape_left(shape, counts, [1] * len(sizes))))
    expected = expected_cost(shape, linear_costs(shape, cost_with_layers), gates, units).item()
    assert abs(np.mean(found) - expected) < 4 * np.std(found) / 600**0.5


def test_a_head_and_a_neuron_of_bert_cost_what_their_matrices_do() -> None:
    assert macs(BERT) == cost_of(BERT, 2, 8).macs
    costs = linear_costs(BERT, lambda shape: cost_of(shape, 2, 8).macs)
    assert costs.units[0] == 4 * 16 * 4 * 8 + 2 * 4 * 8**2  # four matrices, then scores and weighted sum
    assert costs.units[3] == 2 * 16 * 8
    assert costs.layers == pytest.approx((0, 0, costs.layers[2])) and costs.layers[2] > 0  # its only head


@pytest.mark.parametrize("shape", [BERT, MOBILEBERT], ids=["bert", "mobilebert"])
@pytest.mark.parametrize("multiple", [1, 4])
def test_cuts_meet_the_budget_and_leave_nothing_empty(shape: Shape, multiple: int) -> None:
    source = torch.Generator().manual_seed(6)
    for share in (0.01, 0.2, 0.5, 0.7, 0.9):
        masks = LearnedMasks(shape, cost_with_layers, 1.0, seed=0)
        for own in masks.parameters():
            own.data = torch.randn(own.shape, generator=source) * 2
        limit = 1500 + share * (cost_with_layers(shape) - 1500)  # one layer costs up to 1,470
        kept, cut = masks.to_masks(limit, multiple)
        layers = tuple(shape.layers[i] for i in kept)
        small = shape_after(replace(shape, layers=layers), cut)
        assert cost_with_layers(small) <= limit
        whole = all(own.feed_forwards == dense.feed_forwards for own, dense in zip(small.layers, layers, strict=True))
        assert whole or cost_with_layers(small) > limit - 10 * multiple  # not one more group of neurons
        assert all(layer.heads >= 1 and min(layer.feed_forwards) >= min(multiple, 6) for layer in small.layers)


def test_masks_meet_a_latency_by_a_table_whose_last_layer_costs_less() -> None:
    points = ((1, 1.0), (2, 1.1), (4, 2.5)), ((1, 0.2), (24, 3.0))
    table = LatencyTable("test", 8, *points, 0.4, ((1, 0.2), (4, 0.6)), ((1, 0.1), (24, 0.3)))
    source = torch.Generator().manual_seed(6)
    for share in (0.4, 0.6, 0.9):
        masks = LearnedMasks(BERT, table.predict, 1.0, seed=0)
        for own in masks.parameters():
            own.data = torch.randn(own.shape, generator=source) * 2
        kept, cut = masks.to_masks(share * table.predict(BERT))
        small = shape_after(replace(BERT, layers=tuple(BERT.layers[i] for i in kept)), cut)
        assert 0.8 * share * table.predict(BERT) < table.predict(small) <= share * table.predict(BERT)


def test_a_sub_layer_that_lost_everything_keeps_its_most_probable_unit_and_a_whole_layer_goes() -> None:
    masks = LearnedMasks(BERT, macs, 1.0, seed=0)
    with torch.no_grad():
        masks.gates[:] = torch.tensor([-4.0, 4.0, -4.0, 4.0, 4.0, -4.0])  # attention 0; both halves of layer 2
        masks.units[0][2] = 3.0
    kept, cut = masks.to_masks(0.62 * macs(BERT))
    assert kept == (0, 1)
    assert np.flatnonzero(cut.heads[0]).tolist() == [2]
    assert 0 < cut.heads[0][2] < 0.05  # close to the gate that it was trained with


@pytest.mark.parametrize("shape", [BERT, MOBILEBERT], ids=["bert", "mobilebert"])
def test_masks_with_an_empty_layer_give_the_logits_of_the_model_without_it(shape: Shape) -> None:
    model, ids = make(shape), texts()[:4]
    full = LearnedMasks(shape, macs, 1.0, seed=0).rounded(macs(shape))
    heads = (tuple(0.0 for _ in full.heads[0]), *full.heads[1:])
    neurons = (tuple(tuple(0.0 for _ in part) for part in full.neurons[0]), *full.neurons[1:])
    with torch.no_grad():
        with masked(model, as_tensors(UnitMasks(heads, neurons))):
            found = logits_of(model, ids)
        encoder = model.bert.encoder if isinstance(model, BertClassifier) else model.mobilebert.encoder
        encoder.layer = encoder.layer[1:]
        with masked(model, as_tensors(UnitMasks(heads[1:], neurons[1:]))):
            assert torch.allclose(found, logits_of(model, ids), atol=1e-5)


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_the_lagrangian_drives_the_expected_cost_to_the_budget(tmp_path: Path, share: float) -> None:
    model = make(BERT)
    limit = share * macs(BERT)
    outcome = learn(model, limit, tmp_path)
    assert outcome.costs[0] > 0.9 * macs(BERT)
    assert np.mean(outcome.costs[-5:]) == pytest.approx(limit, abs=0.05 * macs(BERT))
    small = shape_after(replace(BERT, layers=tuple(BERT.layers[i] for i in outcome.kept)), outcome.cut)
    assert macs(small) <= limit


def test_units_without_effect_go_first(tmp_path: Path) -> None:
    model = with_useless_units(replace(BERT, layers=(LayerShape(4, 4, (24,)), LayerShape(4, 4, (24,)))))
    outcome = learn(model, 0.5 * macs(model.config), tmp_path, plan=replace(PLAN, epochs=20))
    assert not any(any(heads[2:]) for heads in outcome.cut.heads)
    for stay in outcome.probabilities:
        assert stay[: len(stay) // 2].mean() > stay[len(stay) // 2 :].mean() + 0.1


def test_a_killed_run_continues_to_the_same_weights_and_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    plan = replace(PLAN, epochs=2)
    limit = 0.5 * macs(MOBILEBERT)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    first = make(MOBILEBERT)
    expected = learn(first, limit, whole, plan=plan)
    with pytest.raises(InterruptedTrainingError):
        learn(make(MOBILEBERT), limit, broken, stop_at=8, plan=plan)
    second = make(MOBILEBERT)
    found = learn(second, limit, broken, plan=plan)
    assert (found.kept, found.cut) == (expected.kept, expected.cut)
    assert len(found.costs) == 5 and found.costs == expected.costs[7:]
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize(
    ("share", "message"), [(1.0, "the model costs .* ask for less"), (0.01, "the smallest cut of this model costs")]
)
def test_an_impossible_budget_is_refused_before_training(tmp_path: Path, share: float, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        learn(make(BERT), share * macs(BERT), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_not_a_number_is_refused() -> None:
    masks = LearnedMasks(BERT, macs, 1.0, seed=0)
    with torch.no_grad():
        masks.gates[0] = float("nan")
    with pytest.raises(PruningError, match="not a number"):
        masks.to_masks(0.5 * macs(BERT))
