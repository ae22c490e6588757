"""Fisher information of masks: what it says about the loss, text by text, and the swaps inside a layer."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from tiny_classifiers import logits_of, random_batches, tiny_bert, tiny_mobilebert
from torch import Tensor
from torch.nn import functional as F

from penjing.compress.prune.fisher import (
    MaskGradients,
    diagonal_fisher,
    fisher_roots,
    mask_gradients,
    rearrange,
)
from penjing.compress.prune.importances import Importances
from penjing.compress.prune.search import search
from penjing.compress.prune.units import Encoder, Shape, UnitMasks, applied, as_tensors, full_masks
from penjing.compress.tokens import Batch
from penjing.runtime.errors import PruningError


def increase(model: Encoder, batches: list[Batch], layer: int, step: Tensor) -> float:
    """Mean KL of the predictions once `step` is taken off the masks of one layer's heads."""
    ones = as_tensors(full_masks(model.config))
    heads = [h - step if index == layer else h for index, h in enumerate(ones.heads)]
    with applied(model, ones.with_values([*heads, *ones.all[len(heads) :]])):
        moved = logits_of(model, batches).log_softmax(-1)
    start = logits_of(model, batches).log_softmax(-1)
    return F.kl_div(moved, start, reduction="batchmean", log_target=True).item()


@pytest.mark.parametrize("model", [tiny_bert(3), tiny_mobilebert(2)], ids=["bert, 3 classes", "mobilebert, 2 classes"])
@pytest.mark.parametrize("layer", [0, 2])
def test_half_the_fisher_form_is_the_increase_of_the_divergence(model: Encoder, layer: int) -> None:
    batches = random_batches(3)
    rows = mask_gradients(model, batches).heads[layer].double()
    model = model.double()
    direction = torch.tensor([0.7, -0.2, 0.5, 0.4], dtype=torch.float64)
    predicted = direction @ rows.T @ rows @ direction / 2
    measured = (
        increase(model, batches, layer, 1e-3 * direction) + increase(model, batches, layer, -1e-3 * direction)
    ) / 2
    model.float()
    assert measured / 1e-6 == pytest.approx(predicted.item(), rel=1e-3)


@pytest.mark.parametrize("labels", [2, 3, 8])
def test_the_classes_are_expected_exactly(labels: int) -> None:
    logits = torch.randn(5, labels)
    roots = fisher_roots(logits, torch.Generator())
    p = logits.softmax(-1)
    wanted = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    assert len(roots) == labels - 1
    assert torch.allclose(sum(r[:, :, None] * r[:, None, :] for r in roots), wanted, atol=1e-6)  # type: ignore[arg-type]


def test_many_classes_are_drawn_right_on_average_and_alike_each_time() -> None:
    logits = torch.randn(12).expand(40_000, 12)
    (drawn,) = fisher_roots(logits, torch.Generator().manual_seed(0))
    p = logits[0].softmax(-1)
    assert torch.allclose(drawn.T @ drawn / len(drawn), p.diag() - p[:, None] * p, atol=5e-3)
    model, batches = tiny_bert(12, layers=1), random_batches(1)
    first, second = mask_gradients(model, batches), mask_gradients(model, batches)
    assert torch.equal(first.heads[0], second.heads[0])


def test_it_does_not_matter_how_texts_are_batched() -> None:
    together = random_batches(2)
    alone = [
        Batch(*(t[row : row + 1] for t in (b.input_ids, b.attention_mask, b.token_type_ids)))
        for b in together
        for row in range(4)
    ]
    found = diagonal_fisher(mask_gradients(tiny_bert(), together))
    wanted = diagonal_fisher(mask_gradients(tiny_bert(), alone))
    for one, other in zip(found.heads, wanted.heads, strict=True):
        assert torch.allclose(one, other, rtol=1e-4)


def damage(factors: tuple[float, ...], rows: Tensor) -> float:
    cut = torch.tensor(factors) == 0
    return rows[:, cut].sum(1).square().sum().item()


def test_units_that_make_up_for_one_another_are_cut_together() -> None:
    # The second is the most important by itself, but undoes what cutting the first does.
    rows = torch.tensor([[1.0, -1.1, 0.0], [0.0, 0.0, 1.05]])
    masks = UnitMasks(((0.0, 1.0, 0.0),), (((1.0,),),))
    found = rearrange(masks, MaskGradients((rows,), ((torch.ones(2, 1),),)))
    assert found == UnitMasks(((0.0, 0.0, 1.0),), (((1.0,),),))


def test_swaps_keep_the_counts_and_come_close_to_the_best_choice() -> None:
    source = np.random.default_rng(0)
    ratios = []
    for _ in range(20):
        rows = torch.tensor(source.normal(size=(6, 10)) * source.uniform(0.2, 2, 10), dtype=torch.float32)
        order = rows.square().sum(0).argsort()
        start = tuple(float(unit not in order[:5]) for unit in range(10))
        found = rearrange(UnitMasks((start,), (((1.0,),),)), MaskGradients((rows,), ((torch.ones(6, 1),),)))
        best = min(rows[:, list(cut)].sum(1).square().sum().item() for cut in combinations(range(10), 5))
        assert found.kept_heads == (5,)
        ratios.append((damage(found.heads[0], rows) - best) / (damage(start, rows) - best + 1e-9))
    assert max(ratios) <= 1 + 1e-5
    assert sum(ratios) / len(ratios) < 0.25  # the most of what swaps can win is won


def test_cutting_what_fisher_calls_unimportant_harms_far_less_than_cutting_the_rest() -> None:
    model, batches = tiny_bert(), random_batches(8)
    gradients = mask_gradients(model, batches)
    masks = rearrange(search(model.config, diagonal_fisher(gradients), _units, 60), gradients)
    found = diagonal_fisher(gradients)
    turned = Importances(tuple(-h for h in found.heads), tuple(tuple(-n for n in p) for p in found.neurons))
    bad = search(model.config, turned, _units, 60)
    wanted = logits_of(model, batches)
    errors = []
    for chosen in (masks, bad):
        with applied(model, as_tensors(chosen)):
            errors.append((logits_of(model, batches) - wanted).square().mean().item())
    assert errors[0] < errors[1] / 2


def _units(shape: Shape) -> float:
    """A cost in which every head counts three and every neuron one."""
    return float(sum(3 * layer.heads + sum(layer.feed_forwards) for layer in shape.layers))


def test_no_texts_are_refused() -> None:
    with pytest.raises(PruningError, match="no calibration texts"):
        mask_gradients(tiny_bert(), [])
