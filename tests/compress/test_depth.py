"""Layers are chosen by measured damage: the idle one goes first, as every choice in turn would say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from tiny_classifiers import logits_of, random_batches, tiny_bert, tiny_mobilebert
from torch.nn import functional as F

from penjing.compress.prune.apply import keep_layers
from penjing.compress.prune.depth import choose_layers, logit_damage
from penjing.compress.prune.units import Encoder, layers_of
from penjing.runtime.errors import PruningError

BATCHES = random_batches(3)
MODELS = pytest.mark.parametrize("make", [tiny_bert, tiny_mobilebert])


@torch.no_grad()
def with_idle_layer(model: Encoder, index: int) -> Encoder:
    """Layer `index` adds next to nothing to its input: a BERT's norms get a normed input, and leave it as it is."""
    layer = layers_of(model)[index]
    for _, down in layer.stacked():
        down.dense.weight.mul_(1e-3)
        down.dense.bias.zero_()
    out = layer.output.bottleneck.dense if hasattr(layer, "bottleneck") else layer.attention.output.dense
    out.weight.mul_(1e-3)
    out.bias.zero_()
    return model


@MODELS
@pytest.mark.parametrize("idle", [0, 1, 2])
def test_the_idle_layer_is_the_first_to_go(make: Callable[[], Encoder], idle: int) -> None:
    model = with_idle_layer(make(), idle)
    kept = choose_layers(model, 2, logit_damage(model, BATCHES))
    assert kept == tuple(index for index in range(3) if index != idle)


@MODELS
def test_each_choice_is_that_of_trying_every_layer(make: Callable[[], Encoder]) -> None:
    model = make()
    damage = logit_damage(model, BATCHES)
    pairs = {kept: damage(keep_layers(model, kept)) for kept in combinations(range(3), 2)}
    best = min(pairs, key=lambda kept: pairs[kept])
    assert choose_layers(model, 2, damage) == best
    assert choose_layers(model, 1, damage) == min(((i,) for i in best), key=lambda i: damage(keep_layers(model, i)))
    assert choose_layers(model, 3, damage) == (0, 1, 2)


def test_damage_is_the_divergence_from_the_dense_model() -> None:
    model, other = tiny_bert(), keep_layers(tiny_bert(), (0, 2))
    damage = logit_damage(model, BATCHES)
    wanted, found = (logits_of(m, BATCHES).log_softmax(-1) for m in (model, other))
    assert damage(model) == pytest.approx(0, abs=1e-6)
    assert damage(other) == pytest.approx(F.kl_div(found, wanted, log_target=True, reduction="batchmean").item())


def test_of_equal_damages_the_first_layer_goes() -> None:
    assert choose_layers(tiny_bert(), 1, lambda _model: 0.5) == (2,)


@pytest.mark.parametrize("keep", [0, -1, 4])
def test_a_number_of_layers_that_cannot_stay_is_refused(keep: int) -> None:
    with pytest.raises(PruningError, match=f"{keep} layers cannot stay.*has 3: set prune.layers to 1 to 3"):
        choose_layers(tiny_bert(), keep, lambda _model: 0.0)


def test_damage_that_is_no_number_and_missing_texts_are_refused() -> None:
    with pytest.raises(PruningError, match="not a number"):
        choose_layers(tiny_bert(), 2, lambda _model: float("nan"))
    with pytest.raises(PruningError, match="no calibration texts"):
        logit_damage(tiny_bert(), [])
