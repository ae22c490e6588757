"""From the states of a text's tokens to one vector. Left out: max pooling, and BERT's own pooler, which is a head."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of the real tokens' states: [batch, sequence, hidden] and a mask [batch, sequence] of 1 and 0."""
    weights = mask.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def cls_pool(states: Tensor, _mask: Tensor) -> Tensor:
    """The first token's state."""
    return states[:, 0]


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": mean_pool, "cls": cls_pool}
"""By the name that a recipe gives."""
