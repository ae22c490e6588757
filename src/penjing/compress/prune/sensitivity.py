"""Importance of heads by sensitivity (Michel et al. 2019, arXiv 1905.10650, section 4.1), and of neurons likewise.

The mean over texts of |dL/dm|, m being the unit's mask, divided by the layer's l2 norm as the paper's appendix does.
Texts count one by one: the public code takes the absolute value of a whole batch's sum. Left out: the paper's search
in steps of 10% with a measurement after each; `search.py` cuts to a budget at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.errors import PruningError
from ..tokens import Batch
from .gradients import text_gradients
from .importances import Importances
from .units import Encoder

Loss = Callable[[Tensor, int], Tensor]
"""Summed loss of the batch with this number, from its logits [batch, labels]."""


def decision_loss(logits: Tensor, _batch: int) -> Tensor:
    """Cross-entropy to the model's own decisions, which needs no labels."""
    return F.cross_entropy(logits, logits.argmax(-1), reduction="sum")


def head_sensitivity(model: Encoder, batches: Sequence[Batch], loss: Loss = decision_loss) -> Importances:
    """Sensitivity of every head, and of every neuron, on the texts of `batches`."""
    if not batches:
        raise PruningError("there are no calibration texts: sensitivity needs some, 2,000 are plenty")
    sums: list[Tensor] | None = None
    for number, batch in enumerate(batches):
        (found,) = text_gradients(model, batch, lambda logits, i=number: [_slope(logits, loss, i)])  # type: ignore[misc]
        parts = [gradient.abs().sum(0) for gradient in found.all]
        sums = parts if sums is None else [s + p for s, p in zip(sums, parts, strict=True)]
    assert sums is not None
    normed = found.with_values([_unit_length(s) for s in sums])
    return Importances(normed.heads, normed.neurons)


def _slope(logits: Tensor, loss: Loss, number: int) -> Tensor:
    logits = logits.requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(loss(logits, number), logits)
    return slope


def _unit_length(values: Tensor) -> Tensor:
    """Divided by its l2 norm; zeros stay zeros, and what is not finite stays so, to be refused."""
    norm = values.norm()
    return values if norm == 0 else values / norm
