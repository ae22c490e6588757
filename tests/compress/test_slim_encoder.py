"""Slimming an encoder: useless neurons go, the budget is met exactly as asked, a killed run ends the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penjing.compress import training
from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.compress.prune.slim_encoder import slim_neurons
from penjing.compress.prune.slimming import choose_neurons, scales_of, smallest_cut
from penjing.compress.prune.units import Encoder, Shape, UnitMasks, full_masks
from penjing.compress.training import TrainingPlan
from penjing.runtime.errors import PruningError

SHAPE = MobileBertConfig(
    (LayerShape(4, 4, (12, 8)), LayerShape(2, 4, (10, 6))), 30, hidden_size=24, embedding_size=8, bottleneck_size=16
)
PLAN = TrainingPlan(epochs=10, batch_size=16, learning_rate=1e-3, warmup=0.1, evaluations_per_epoch=1, seed=3)
LONG = replace(PLAN, epochs=30, learning_rate=1e-2)
LENGTHS = np.full(96, 8)


class InterruptedTrainingError(Exception):
    """Stands for a kill in the middle of training."""


def neurons(shape: Shape) -> float:
    """A cost: how many there are."""
    return float(sum(sum(layer.feed_forwards) for layer in shape.layers))


def make(activation: str = "relu") -> MobileBertClassifier:
    torch.manual_seed(0)
    model = MobileBertClassifier(replace(SHAPE, activation=activation), 2)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3) if parameter.dim() > 1 else None
    return model.eval()


def texts() -> Tensor:
    return torch.randint(1, 30, (96, 8), generator=torch.Generator().manual_seed(1))


def logits_of(model: nn.Module, ids: Tensor) -> Tensor:
    logits: Tensor = model(ids, torch.ones_like(ids), torch.zeros_like(ids))
    return logits


def learn(
    model: Encoder, limit: float, folder: Path, strength: float = 1e-3, plan: TrainingPlan = PLAN, stop_at: int = 0
) -> UnitMasks:
    """Learns to keep the model's own logits."""
    ids, step = texts(), 0
    with torch.no_grad():
        wanted = logits_of(model, ids)

    def loss(module: nn.Module, indices: list[int]) -> Tensor:
        nonlocal step
        step += 1
        if step == stop_at:
            raise InterruptedTrainingError
        return (logits_of(module, ids[indices]) - wanted[indices]).square().mean()

    def evaluate() -> float:
        return 1 / (1 + float((logits_of(model, ids) - wanted).square().mean()))

    return slim_neurons(model, LENGTHS, loss, evaluate, plan, neurons, limit, strength, folder, "test")


@torch.no_grad()
def with_silent_neurons() -> MobileBertClassifier:
    """Every second neuron is never active, though at the start its scale is larger than that of any other."""
    model = make()
    for layer in model.mobilebert.encoder.layers():
        for up, _ in layer.stacked():
            up.dense.weight[::2], up.dense.bias[::2] = 0.0, -2.0
    return model


def silent_kept(masks: UnitMasks) -> float:
    """Share of the silent neurons among those that stay."""
    parts = [part for layer in masks.neurons for part in layer]
    return sum(sum(part[::2]) for part in parts) / sum(map(sum, parts))


def test_neurons_that_do_nothing_lose_their_scale_and_go(tmp_path: Path) -> None:
    model = with_silent_neurons()
    by_size_alone = choose_neurons(model, neurons, 18)
    masks = learn(model, 18, tmp_path, plan=LONG)
    assert silent_kept(by_size_alone) > 0.85 and silent_kept(masks) < 0.15
    assert sum(map(sum, masks.kept_neurons)) == 18 and masks.heads == full_masks(SHAPE).heads


def test_without_a_penalty_they_stay(tmp_path: Path) -> None:
    assert silent_kept(learn(with_silent_neurons(), 18, tmp_path, strength=1e-30, plan=LONG)) > 0.7


def test_the_threshold_is_that_of_the_published_choice() -> None:
    model = make()
    kept = smallest_cut({name: s.detach() for name, s in scales_of(model).items()}, 0.5, 1)
    masks = choose_neurons(model, neurons, 18)
    found = [tuple(i for i, factor in enumerate(part) if factor) for layer in masks.neurons for part in layer]
    assert found == list(kept.values())


def test_each_feed_forward_keeps_a_multiple_and_the_budget_is_not_exceeded() -> None:
    masks = choose_neurons(make(), neurons, 23, multiple=4)
    assert sum(map(sum, masks.kept_neurons)) <= 23
    of = [width for layer in SHAPE.layers for width in layer.feed_forwards]
    kept = [width for layer in masks.kept_neurons for width in layer]
    assert all(left % 4 == 0 or left == whole for left, whole in zip(kept, of, strict=True)) and kept != of


def test_a_killed_run_ends_with_the_same_masks_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, killed = make(), make()
    masks = learn(whole, 18, tmp_path / "whole")
    with pytest.raises(InterruptedTrainingError):
        learn(killed, 18, tmp_path / "killed", stop_at=25)
    again = make()
    assert learn(again, 18, tmp_path / "killed") == masks
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_what_cannot_be_slimmed_or_met_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    bert = BertClassifier(BertShape((LayerShape(4, 4, (24,)),), 30, 16, 16, 12), 2)
    for model, named in ((bert, "BertClassifier"), (make("gelu"), "MobileBertClassifier with the activation gelu")):
        with pytest.raises(PruningError, match=f"slimming cannot cut {named}.*fisher, sensitivity or learned"):
            learn(model, 5, tmp_path)
    with pytest.raises(PruningError, match=r"the budget is 3, but the smallest model .* costs 4"):
        learn(make(), 3, tmp_path)
    broken = make()
    broken.mobilebert.encoder.layers()[1].stacked()[0][0].dense.weight.data[2] = torch.nan
    with pytest.raises(PruningError, match=r"a scale of layer\.1\.0 is not a finite number"):
        learn(broken, 18, tmp_path)
    assert not any(tmp_path.iterdir())
