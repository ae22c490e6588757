"""The units that can be cut out of an encoder, heads and feed-forward neurons, in one view for BERT and MobileBERT.

A mask has one factor a unit: 0 cuts it, 1 leaves it, another value rescales what it adds. `applied` puts masks into a
model's forward pass without changing its weights, so their gradients can be taken. Left out: making smaller models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..models.bert import BertClassifier, BertShape
from ..models.mobilebert import MobileBertClassifier, MobileBertConfig

Encoder = BertClassifier | MobileBertClassifier
Shape = BertShape | MobileBertConfig

Factors = tuple[float, ...]


@dataclass(frozen=True)
class UnitMasks:
    """`heads[layer][head]` and `neurons[layer][feed-forward][neuron]`: factors, 0 where the unit is cut."""

    heads: tuple[Factors, ...]
    neurons: tuple[tuple[Factors, ...], ...]

    @property
    def kept_heads(self) -> tuple[int, ...]:
        """Heads left in each layer."""
        return tuple(_kept(layer) for layer in self.heads)

    @property
    def kept_neurons(self) -> tuple[tuple[int, ...], ...]:
        """Neurons left in each feed-forward of each layer."""
        return tuple(tuple(_kept(part) for part in layer) for layer in self.neurons)


@dataclass(frozen=True)
class MaskTensors:
    """The same as tensors: `heads[layer]` is [heads] or, to get a gradient a sample, [batch, heads]; so are neurons."""

    heads: tuple[Tensor, ...]
    neurons: tuple[tuple[Tensor, ...], ...]

    @property
    def all(self) -> list[Tensor]:
        """Every tensor: the heads of all layers, then the neurons."""
        return [*self.heads, *(part for layer in self.neurons for part in layer)]

    def with_values(self, values: Sequence[Tensor]) -> MaskTensors:
        """The same layout around other tensors, in the order of `all`."""
        rest = iter(values)
        heads = tuple(next(rest) for _ in self.heads)
        return MaskTensors(heads, tuple(tuple(next(rest) for _ in layer) for layer in self.neurons))

    def numbers(self) -> UnitMasks:
        """As plain numbers; the tensors must be [units]."""
        heads = tuple(tuple(h.tolist()) for h in self.heads)
        return UnitMasks(heads, tuple(tuple(tuple(n.tolist()) for n in layer) for layer in self.neurons))


def body_of(model: Encoder) -> Any:
    """Embeddings and encoder, without the head."""
    return model.bert if isinstance(model, BertClassifier) else model.mobilebert


def layers_of(model: Encoder) -> list[Any]:
    """The encoder's layers, in order: each has `attention.self`, `attention.output.dense` and `stacked()`."""
    return list(body_of(model).encoder.layers())


def full_masks(shape: Shape) -> UnitMasks:
    """Nothing cut: every factor 1."""
    heads = tuple((1.0,) * layer.heads for layer in shape.layers)
    return UnitMasks(heads, tuple(tuple((1.0,) * width for width in layer.feed_forwards) for layer in shape.layers))


def as_tensors(masks: UnitMasks) -> MaskTensors:
    """Numbers to tensors [units]."""
    heads = tuple(torch.tensor(layer) for layer in masks.heads)
    return MaskTensors(heads, tuple(tuple(torch.tensor(part) for part in layer) for layer in masks.neurons))


@contextmanager
def applied(model: Encoder, masks: MaskTensors) -> Iterator[None]:
    """Inside the block the model's heads and neurons are multiplied by their factors; gradients reach the tensors."""
    hooks = []
    for layer, heads, neurons in zip(layers_of(model), masks.heads, masks.neurons, strict=True):
        hooks.append(layer.attention.output.dense.register_forward_pre_hook(_scale_heads(heads)))
        for (_, down), factors in zip(layer.stacked(), neurons, strict=True):
            hooks.append(down.dense.register_forward_pre_hook(_scale_neurons(factors)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _scale_heads(factors: Tensor) -> Any:
    def scale(_module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        (context,) = inputs
        per_head = context.reshape(*context.shape[:2], factors.shape[-1], -1)
        place = factors[:, None, :, None] if factors.dim() == 2 else factors[:, None]
        return (per_head * place.to(context.dtype)).flatten(2)

    return scale


def _scale_neurons(factors: Tensor) -> Any:
    def scale(_module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        place = factors[:, None, :] if factors.dim() == 2 else factors
        return inputs[0] * place.to(inputs[0].dtype)

    return scale


def _kept(factors: Factors) -> int:
    return sum(factor != 0 for factor in factors)
