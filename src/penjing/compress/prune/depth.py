"""Whole layers, chosen by measured damage: greedily, each time the one without which the logits change least.

Left out: what a layer's neighbours might learn in its place; recovery does that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from ..distill.losses import logits_loss
from ..tokens import Batch
from .apply import keep_layers
from .units import Encoder

Damage = Callable[[Encoder], float]


@torch.no_grad()
def logit_damage(model: Encoder, batches: Sequence[Batch]) -> Damage:
    """Mean KL divergence of another model's decisions from this one's on the texts of `batches`."""
    wanted = [_logits(model, batch) for batch in batches]

    def damage(other: Encoder) -> float:
        with torch.no_grad():
            losses = [logits_loss(_logits(other, b), w).item() * len(w) for b, w in zip(batches, wanted, strict=True)]
        return sum(losses) / sum(map(len, wanted))

    return damage


def choose_layers(model: Encoder, keep: int, damage: Damage) -> tuple[int, ...]:
    """The `keep` layers that stay, in order; of equal damages the first layer goes.

    Raises PruningError when `keep` is not 1 to the number of layers.
    """
    count = len(model.config.layers)
    if not 1 <= keep <= count:
        raise PruningError(f"prune.layers is {keep}, allowed is 1 to {count}: the model has {count} layers")
    left = tuple(range(count))
    while len(left) > keep:
        candidates = [tuple(layer for layer in left if layer != gone) for gone in left]
        left = min(candidates, key=lambda layers: damage(keep_layers(model, layers)))
    return left


def _logits(model: Encoder, batch: Batch) -> Tensor:
    logits: Tensor = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    return logits
