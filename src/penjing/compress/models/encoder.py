"""What BERT and MobileBERT have in common: attention over heads, the mask's score, the stack of layers, the pooler.

Heads and feed-forward widths may differ from layer to layer. Left out: embeddings and layers, which each architecture
has of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MASK_SCORE = -30.0
"""Score of a padded key. exp(-30) is 1e-13: nothing for a sum, yet within the range of fp16 and of an int8 scale."""


@dataclass(frozen=True)
class LayerShape:
    """Widths of one layer: heads and their size, and the width of each stacked feed-forward."""

    heads: int
    head_size: int
    feed_forwards: tuple[int, ...]


@dataclass(frozen=True)
class EncoderOutput:
    """`hidden`: embedding output and each layer's, [batch, sequence, hidden]; `scores`: before the mask and softmax."""

    hidden: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]


def read_layers(raw: dict[str, Any]) -> dict[str, Any]:
    """A config's fields as they come from JSON, with `layers` as shapes again."""
    layers = tuple(LayerShape(s["heads"], s["head_size"], tuple(s["feed_forwards"])) for s in raw["layers"])
    return {**raw, "layers": layers}


def attend(query: Tensor, key: Tensor, value: Tensor, mask_scores: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """The weighted sum of values and the scores before the mask; all [batch, sequence, heads * head size]."""
    query, key, value = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    context = (scores + mask_scores).softmax(-1) @ value
    return context.transpose(1, 2).flatten(2), scores


def mask_to_scores(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """[batch, sequence] of 1 and 0 -> [batch, 1, 1, sequence] of 0 and MASK_SCORE."""
    return (1.0 - attention_mask[:, None, None, :].to(dtype)) * MASK_SCORE


class Encoder(nn.Module):
    """The stack of layers, under the published name `encoder.layer`: each gives states and attention scores."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layer = nn.ModuleList(layers)

    def layers(self) -> list[Any]:
        """The layers, in order."""
        return list(self.layer)

    def forward(self, x: Tensor, attention_mask: Tensor) -> EncoderOutput:
        mask_scores = mask_to_scores(attention_mask, x.dtype)
        hidden, scores = [x], []
        for layer in self.layer:
            x, layer_scores = layer(x, mask_scores)
            hidden.append(x)
            scores.append(layer_scores)
        return EncoderOutput(tuple(hidden), tuple(scores))


class Pooler(nn.Module):
    """tanh dense on [CLS], [batch, hidden]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(size, size)

    def forward(self, first: Tensor) -> Tensor:
        return torch.tanh(self.dense(first))
