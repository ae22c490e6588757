"""Sensitivity: texts count one by one, each layer has length one, what is not finite is refused."""

from __future__ import annotations

import pytest
import torch
from tiny_classifiers import random_batches, tiny_bert, tiny_mobilebert
from torch import Tensor
from torch.nn import functional as F

from penjing.compress.prune.gradients import text_gradients
from penjing.compress.prune.importances import Importances
from penjing.compress.prune.sensitivity import decision_loss, head_sensitivity
from penjing.compress.prune.units import Encoder, MaskTensors, applied, as_tensors, full_masks
from penjing.compress.tokens import Batch
from penjing.runtime.errors import PruningError


def one_text_gradients(model: Encoder, batch: Batch, row: int) -> MaskTensors:
    """Of the first logit of one text alone, by ordinary masks."""
    ones = as_tensors(full_masks(model.config))
    masks = ones.with_values([mask.requires_grad_() for mask in ones.all])
    length = int(batch.attention_mask[row].sum())
    ids = batch.input_ids[row : row + 1, :length]
    with applied(model, masks):
        logits = model(ids, torch.ones_like(ids), torch.zeros_like(ids))
    return ones.with_values(torch.autograd.grad(logits[0, 0], masks.all))


@pytest.mark.parametrize("model", [tiny_bert(), tiny_mobilebert()], ids=["bert", "mobilebert"])
def test_gradients_of_a_batch_equal_those_of_its_texts_one_by_one(model: Encoder) -> None:
    (batch,) = random_batches(1)
    first = torch.tensor([1.0, 0.0, 0.0]).expand(4, 3)
    (found,) = text_gradients(model, batch, lambda _: [first])
    for row in range(4):
        wanted = one_text_gradients(model, batch, row)
        for together, alone in zip(found.all, wanted.all, strict=True):
            assert torch.allclose(together[row], alone, atol=1e-5)


def test_texts_whose_gradients_cancel_still_count() -> None:
    model, (batch,) = tiny_bert(), random_batches(1, size=1)
    twice = Batch(*(torch.cat([t, t]) for t in (batch.input_ids, batch.attention_mask, batch.token_type_ids)))

    def opposed(logits: Tensor, _batch: int) -> Tensor:
        return logits[0, 0] - logits[1, 0]

    alone = head_sensitivity(model, [batch], lambda logits, _batch: logits[0, 0])
    for found, wanted in zip(head_sensitivity(model, [twice], opposed).heads, alone.heads, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


def test_each_layer_has_length_one_and_the_loss_may_use_labels() -> None:
    batches = random_batches(2)
    labels = [torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 2, 0])]

    def labelled(logits: Tensor, batch: int) -> Tensor:
        return F.cross_entropy(logits, labels[batch], reduction="sum")

    found = head_sensitivity(tiny_bert(), batches, labelled)
    for part in (*found.heads, *(part for layer in found.neurons for part in layer)):
        assert part.norm().item() == pytest.approx(1, abs=1e-5)
    unlabelled = head_sensitivity(tiny_bert(), batches, decision_loss)
    assert not torch.allclose(found.heads[0], unlabelled.heads[0], atol=1e-3)


def test_a_head_that_adds_nothing_is_the_least_sensitive() -> None:
    model = tiny_bert()
    with torch.no_grad():
        model.bert.encoder.layers()[1].attention.output.dense.weight[:, 8:16] = 0  # all that head 1 could add
    found = head_sensitivity(model, random_batches(2))
    assert found.heads[1].argmin() == 1
    assert found.heads[1][1] == 0


def test_importances_that_are_not_finite_are_refused_with_their_place() -> None:
    whole = torch.ones(4)
    with pytest.raises(PruningError, match="layer 1: heads: an importance is nan"):
        Importances((whole, torch.tensor([1.0, float("nan")])), ((whole,), (whole,)))
    with pytest.raises(PruningError, match="layer 0: neurons: an importance is inf"):
        Importances((whole,), ((whole, torch.tensor([float("inf")])),))


def test_a_model_with_broken_weights_is_refused() -> None:
    model = tiny_bert()
    with torch.no_grad():
        model.bert.encoder.layers()[0].intermediate.dense.weight[3, 3] = float("nan")
    with pytest.raises(PruningError, match="an importance is nan"):
        head_sensitivity(model, random_batches(1))


def test_no_texts_are_refused() -> None:
    with pytest.raises(PruningError, match="no calibration texts"):
        head_sensitivity(tiny_bert(), [])
