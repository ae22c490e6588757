"""Rescaling and refitting: equal to numpy's least squares, closer to the dense model, idle where nothing was cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_classifiers import logits_of, random_batches, tiny_bert, tiny_mobilebert
from torch import Tensor, nn

from penjing.compress.prune.apply import cut_units
from penjing.compress.prune.layerwise import Equations, correct_outputs
from penjing.compress.prune.rescale import refit_outputs, rescale, solve_factors
from penjing.compress.prune.units import Encoder, UnitMasks, applied, as_tensors, full_masks, layers_of
from penjing.compress.tokens import Batch
from penjing.runtime.errors import PruningError

MODELS = pytest.mark.parametrize("make", [tiny_bert, tiny_mobilebert])


def cut_masks(model: Encoder, every: int = 3) -> UnitMasks:
    """Every third unit is cut; four heads lose one or two."""
    full = full_masks(model.config)
    heads = tuple(tuple(float(i % every != layer % every) for i in range(len(h))) for layer, h in enumerate(full.heads))
    neurons = tuple(
        tuple(tuple(float(i % every != 1) for i in range(len(part))) for part in layer) for layer in full.neurons
    )
    return UnitMasks(heads, neurons)


def distance(model: Encoder, other: Encoder, batches: list[Batch]) -> float:
    return (logits_of(model, batches) - logits_of(other, batches)).square().mean().item()


def test_factors_equal_numpys_least_squares() -> None:
    source = np.random.default_rng(0)
    inputs, weight = source.normal(size=(200, 12)), source.normal(size=(7, 12))
    missing = source.normal(size=(200, 7))
    columns = np.stack([(inputs[:, u : u + 3] @ weight[:, u : u + 3].T).ravel() for u in range(0, 12, 3)], 1)
    wanted = 1 + np.linalg.lstsq(columns, missing.ravel(), rcond=None)[0]
    x = torch.tensor(np.concatenate([inputs, np.ones((200, 1))], 1))
    equations = Equations(x.T @ x, x.T @ torch.tensor(missing))
    assert solve_factors(torch.tensor(weight), equations, 4).numpy() == pytest.approx(wanted, abs=1e-4)


@MODELS
def test_the_equations_are_of_real_tokens_and_in_the_last_layer_of_the_first(make: type) -> None:
    model, batches = make(), random_batches(2)
    counts: list[float] = []

    def count(_layer: nn.Linear, equations: Equations) -> None:
        counts.append(equations.gram[-1, -1].item())
        assert equations.cross.abs().max() < 1e-4  # two equal models: nothing is missing

    correct_outputs(model, cut_units(model, full_masks(model.config)), batches, count)
    tokens = sum(int(b.attention_mask.sum()) for b in batches)
    sites = 1 + len(layers_of(model)[0].stacked())
    assert counts == [tokens] * sites + [tokens] * sites + [8] * sites


@MODELS
def test_padding_changes_nothing(make: type) -> None:
    model, batches = make(), random_batches(2)
    longer = [
        Batch(*(torch.cat([t, t.new_zeros(4, 3)], 1) for t in (b.input_ids, b.attention_mask, b.token_type_ids)))
        for b in batches
    ]
    masks = cut_masks(model)
    for one, other in zip(
        as_tensors(rescale(model, masks, batches)).all, as_tensors(rescale(model, masks, longer)).all, strict=True
    ):
        assert torch.allclose(one, other, atol=1e-3)


@MODELS
def test_factors_bring_the_masked_model_closer_and_cut_nothing_else(make: type) -> None:
    model, batches = make(), random_batches(6, size=16)
    masks = cut_masks(model)
    found = rescale(model, masks, batches)
    assert (found.kept_heads, found.kept_neurons) == (masks.kept_heads, masks.kept_neurons)
    before, after = cut_units(model, masks), cut_units(model, found)
    assert first_error(model, after, batches) < first_error(model, before, batches)
    assert distance(model, after, batches) < distance(model, before, batches)


def first_error(dense: Encoder, small: Encoder, batches: list[Batch]) -> float:
    """Mean square of what is missing before the first norm."""
    errors: list[Tensor] = []
    correct_outputs(dense, small, batches, lambda _, e: errors.append(e.cross[-1].square().sum()))
    return errors[0].item()


@MODELS
def test_refitting_recovers_more_than_factors_on_texts_never_seen(make: type) -> None:
    model, batches, unseen = make(), random_batches(10, size=24), random_batches(2, size=20, seed=1)
    masks = cut_masks(model)
    plain, scaled = cut_units(model, masks), cut_units(model, rescale(model, masks, batches))
    refitted = cut_units(model, masks)
    refit_outputs(model, refitted, batches)
    losses = [distance(model, other, unseen) for other in (plain, scaled, refitted)]
    assert losses[2] < losses[1] < losses[0]


@MODELS
def test_a_model_from_which_nothing_was_cut_stays_as_it_is(make: type) -> None:
    model, batches = make(), random_batches(3)
    whole = cut_units(model, full_masks(model.config))
    refit_outputs(model, whole, batches)
    for (name, before), after in zip(model.state_dict().items(), whole.state_dict().values(), strict=True):
        assert torch.allclose(before, after, atol=1e-4), name
    for factors in as_tensors(rescale(model, full_masks(model.config), batches)).all:
        assert torch.allclose(factors, torch.ones_like(factors), atol=1e-4)


def test_a_unit_that_copies_another_is_made_up_for() -> None:
    model, batches = tiny_bert(), random_batches(8)
    layer = layers_of(model)[0]
    with torch.no_grad():
        for part in (layer.intermediate.dense.weight, layer.intermediate.dense.bias):
            part[5] = part[4]
        layer.output.dense.weight[:, 5] = layer.output.dense.weight[:, 4]
    full = full_masks(model.config)
    widths = tuple(float(i != 5) for i in range(24))
    found = rescale(model, UnitMasks(full.heads, ((widths,), *full.neurons[1:])), batches)
    assert found.neurons[0][0][4] == pytest.approx(2, abs=0.05)
    with applied(model, as_tensors(found)):
        masked = logits_of(model, batches)
    assert torch.allclose(masked, logits_of(model, batches), atol=0.02)


def test_a_matrix_that_needs_factors_beyond_ten_keeps_its_own() -> None:
    model, batches = tiny_bert(layers=1), random_batches(8)
    with torch.no_grad():  # what is left is next to nothing, so only a huge factor could make up for what is cut
        layers_of(model)[0].output.dense.weight[:, 1:] *= 1e-3
        layers_of(model)[0].output.dense.weight[:, 2:] = 0
    full = full_masks(model.config)
    masks = UnitMasks(full.heads, (((0.0,) + (1.0,) * 23,),))
    assert rescale(model, masks, batches).neurons == masks.neurons


def test_models_of_different_depth_and_missing_texts_are_refused() -> None:
    model = tiny_bert()
    with pytest.raises(PruningError, match="the cut model has 2 layers of hidden size 32, the other 3 of 32"):
        refit_outputs(model, tiny_bert(layers=2), random_batches(1))
    with pytest.raises(PruningError, match="no calibration texts"):
        refit_outputs(model, model, [])
