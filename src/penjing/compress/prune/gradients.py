"""Gradients with respect to the masks of heads and neurons, one for every text of a batch.

Each text has masks of its own (all 1), so one backward pass gives every text's gradient; a pass over ordinary masks
would give their sum, in which texts cancel. Left out: what is made of them (`sensitivity.py`, `fisher.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..tokens import Batch
from ..training import device_of
from .units import Encoder, MaskTensors, applied, as_tensors, full_masks

Directions = Callable[[Tensor], Sequence[Tensor]]
"""From logits [batch, labels] to directions of the same shape."""


def text_gradients(model: Encoder, batch: Batch, directions: Directions) -> list[MaskTensors]:
    """For each direction, the gradients of every text's (logits * direction).sum(): masks [batch, units] on the CPU."""
    device = device_of(model)
    count = len(batch.input_ids)
    ones = as_tensors(full_masks(model.config))
    masks = ones.with_values([m.expand(count, -1).to(device).clone().requires_grad_() for m in ones.all])
    batch = batch.to(device)
    with torch.enable_grad(), applied(model, masks):
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        found = directions(logits.detach())
        # A text's logits depend on its own masks alone: the gradient of the sum holds each text's in its row.
        return [
            masks.with_values([g.cpu() for g in torch.autograd.grad((logits * d).sum(), masks.all, retain_graph=True)])
            for d in found
        ]
