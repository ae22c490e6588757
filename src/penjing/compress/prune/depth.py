"""Whole layers, chosen by the damage that is measured when they are gone.

Greedy: the layer goes whose absence changes the decisions least, then the next one out of the smaller model, since what
a layer is worth depends on those that are left (Fan et al. 2020, arXiv 1909.11556, compare such choices with every
other layer). Left out: making up for what is gone, which recovery does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from ..distill.losses import logits_loss
from ..tokens import Batch
from ..training import device_of
from .apply import keep_layers
from .units import Encoder


def logit_damage(model: Encoder, batches: Sequence[Batch]) -> Callable[[Encoder], float]:
    """Measures other models: KL divergence of their logits from those of `model`, mean over the texts of `batches`.

    Raises PruningError when there are no texts.
    """
    if not batches:
        raise PruningError("there are no calibration texts: damage is measured on some, 500 are plenty")
    wanted = _logits(model, batches)
    return lambda candidate: logits_loss(_logits(candidate, batches), wanted).item()


def choose_layers(model: Encoder, keep: int, damage: Callable[[Encoder], float]) -> tuple[int, ...]:
    """Indices of the `keep` layers that stay, in order; of equal damages the one by the first layer counts.

    `damage` gets each candidate, a model with a layer less. Raises PruningError when `keep` is out of range or a damage
    is not a number.
    """
    count = len(model.config.layers)
    if not 1 <= keep <= count:
        raise PruningError(f"{keep} layers cannot stay of a model that has {count}: set prune.layers to 1 to {count}")
    kept = tuple(range(count))
    while len(kept) > keep:
        candidates = [kept[:place] + kept[place + 1 :] for place in range(len(kept))]
        kept = min(candidates, key=lambda layers: _checked(damage(keep_layers(model, layers)), layers))
    return kept


def _checked(damage: float, layers: tuple[int, ...]) -> float:
    if math.isnan(damage):
        raise PruningError(
            f"the damage with the layers {list(layers)} alone is not a number: the model's weights or its logits are"
            " not finite; train it again"
        )
    return damage


@torch.no_grad()
def _logits(model: Encoder, batches: Sequence[Batch]) -> Tensor:
    """[texts, labels], in eval mode."""
    model.eval()
    moved = (batch.to(device_of(model)) for batch in batches)
    return torch.cat([model(b.input_ids, b.attention_mask, b.token_type_ids).float() for b in moved])
