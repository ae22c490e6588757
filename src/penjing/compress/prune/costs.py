"""What a shape costs, before it exists: parameters, multiply-accumulates, bytes of its int8 file, latency.

Counted on a model without storage (torch's meta device), so nothing can be forgotten. Bytes are those of the int8
ONNX file: a byte a weight, fp32 scales and biases, and the graph, whose size hardly depends on the widths. Latency
comes from a table measured on one machine, piecewise linear in a layer's heads and in its neurons (Kwon et al. 2022,
arXiv 2204.09656, section 3.3). Left out: measuring that table, which needs files and an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..models.bert import BertClassifier, BertShape
from ..models.encoder import LayerShape
from ..models.mobilebert import MobileBertClassifier
from .units import Shape, UnitMasks

GRAPH_BYTES = 60_000
"""Nodes and names of an exported int8 graph of about six layers; a few per cent of the smallest file."""

Points = tuple[tuple[int, float], ...]
"""Ascending sizes, and the milliseconds of each."""


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of one layer's attention for each number of heads and of one feed-forward for each width, measured
    at `sequence_length` tokens; between the points: linear.

    `last_heads` and `last_neurons` are those of the last layer, which on the device computes little but the first
    token; empty if it costs what the others do. `rest_ms` is what the model takes besides its layers. `sizes` are the
    widths that all layers share ("hidden_size" and the like); of a model of other widths the table knows nothing.
    """

    machine: str
    sequence_length: int
    heads: Points
    neurons: Points
    rest_ms: float
    last_heads: Points = ()
    last_neurons: Points = ()
    precision: str = "fp32"
    sizes: Mapping[str, int] = field(default_factory=dict)

    def knows(self, shape: Shape) -> bool:
        """Whether the shape has the widths that were measured."""
        return all(getattr(shape, name, None) == size for name, size in self.sizes.items())

    def predict(self, shape: Shape) -> float:
        """Milliseconds of a whole model."""
        *others, last = shape.layers
        layers = sum(_layer(layer, self.heads, self.neurons) for layer in others)
        return self.rest_ms + layers + _layer(last, self.last_heads or self.heads, self.last_neurons or self.neurons)


@dataclass(frozen=True)
class Cost:
    """Of one model: parameters in all and without embedding tables, multiply-accumulates of one text of the given
    length, bytes of the int8 file, and milliseconds where a latency table of its widths is at hand."""

    parameters: int
    non_embedding: int
    macs: int
    bytes: int
    latency_ms: float | None = None


def cost_of(shape: Shape, num_labels: int, sequence_length: int, table: LatencyTable | None = None) -> Cost:
    """Costs of a model of this shape on a text of `sequence_length` tokens."""
    model = skeleton(shape, num_labels)
    linears = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    total = sum(p.numel() for p in model.parameters())
    embedding = sum(m.weight.numel() for m in tables)
    macs = sum(m.weight.numel() * (1 if _once(name) else sequence_length) for name, m in linears)
    macs += sum(2 * layer.heads * layer.head_size * sequence_length**2 for layer in shape.layers)
    whole = sum(m.weight.numel() for _, m in linears) + embedding
    scales = sum(m.out_features for _, m in linears) + sum(m.num_embeddings for m in tables)
    size = whole + 4 * (total - whole) + 4 * scales + GRAPH_BYTES
    known = table is not None and table.knows(shape)
    return Cost(total, total - embedding, macs, size, table.predict(shape) if table is not None and known else None)


def skeleton(shape: Shape, num_labels: int) -> Any:
    """A classifier of this shape without storage, for counting."""
    kind: Any = BertClassifier if isinstance(shape, BertShape) else MobileBertClassifier
    with torch.device("meta"):
        return kind(shape, num_labels)


def shape_after(shape: Shape, masks: UnitMasks) -> Shape:
    """The shape that is left when the units with factor 0 are gone."""
    return with_units(shape, masks.kept_heads, masks.kept_neurons)


def with_units(shape: Shape, heads: Sequence[int], neurons: Sequence[Sequence[int]]) -> Shape:
    """The shape with these numbers of heads and widths of feed-forwards, layer by layer."""
    layers = tuple(
        LayerShape(count, layer.head_size, tuple(widths))
        for layer, count, widths in zip(shape.layers, heads, neurons, strict=True)
    )
    return replace(shape, layers=layers)


def at_least(cost: float) -> str:
    """The cost with ten digits, never rounded below itself: as a budget, read again, it is met."""
    words = f"{cost:.10g}"
    return words if float(words) >= cost else f"{cost * (1 + 1e-9):.10g}"


def _once(name: str) -> bool:
    """Pooler and head see the first token alone."""
    return name == "classifier" or ".pooler." in name


def _layer(layer: LayerShape, heads: Points, neurons: Points) -> float:
    return _between(heads, layer.heads) + sum(_between(neurons, width) for width in layer.feed_forwards)


def _between(points: Points, size: int) -> float:
    sizes, times = zip(*points, strict=True)
    return float(np.interp(size, sizes, times))
