"""The student's form for devices: the same function with less to do, exact up to rounding.

NoNorm is an affine map, so every one is folded into the linear layers beside it and the residual stream runs without
norms, in units a channel of its own (`stream_units.py`). Queries, keys, values and the bottleneck are one projection of
the block input. The mask rides in the score product as one more column of queries and keys, so nothing of size heads x
sequence x sequence is added. The last layer computes only what the head reads: the [CLS] row. Left out: training,
MobileBERT with LayerNorm and its TINY and IB variants, for which `inference_form` returns the model itself. BERT's own
form is in `folded_bert.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .affine import Affine, affine, compose, linear, scaled, stack, table, with_mask_column
from .bert import BertClassifier
from .bilstm import BiLstmClassifier
from .bilstm_shipped import ShippedBiLstm
from .encoder import MASK_SCORE
from .folded_bert import FoldedBert
from .mobilebert import Layer, MobileBert, MobileBertClassifier, NoNorm, NormedLinear
from .stream_units import stream_units
from .two_towers import TwoTowerClassifier, apart, side_by_side

SMALLEST_SCALE = 1e-3
"""A NoNorm scale nearer to zero than this cannot be divided out; the model is then left as it is."""


@dataclass(frozen=True)
class Stream:
    """A residual stream kept as x = scale * folded + shift; `folded` is what the device computes."""

    scale: Tensor
    shift: Tensor

    def read(self, linear: Affine) -> Affine:
        """The layer that reads the folded stream as `linear` reads x."""
        weight, bias = linear
        return weight * self.scale, bias + weight @ self.shift

    def write(self, linear: Affine) -> Affine:
        """The layer whose output, added to the folded stream, does what `linear`'s does when added to x."""
        weight, bias = linear
        return weight / self.scale[:, None], bias / self.scale

    def normed(self, layer: nn.Module) -> Stream:
        """The stream after a NoNorm: only its bookkeeping changes."""
        norm = cast(NoNorm, layer)
        return Stream(norm.weight * self.scale, norm.weight * self.shift + norm.bias)


def inference_form(
    model: MobileBertClassifier | BertClassifier | BiLstmClassifier | TwoTowerClassifier, max_length: int | None = None
) -> nn.Module:
    """`FoldedBert`, `FoldedStudent` or `FoldedTwoTowers` where the norms can be folded, else the model itself; eval
    mode, weights copied.

    With `max_length` only so many rows of the position table are kept, since no longer text will come.
    """
    if isinstance(model, BiLstmClassifier):
        return ShippedBiLstm(model).eval()
    if isinstance(model, BertClassifier):
        with torch.no_grad():
            return FoldedBert(model, max_length).eval()
    if not is_foldable(model):
        return model.eval()
    with torch.no_grad():
        if isinstance(model, TwoTowerClassifier):
            return FoldedTwoTowers(model, max_length).eval()
        return FoldedStudent(model, max_length, only_first=not model.config.by_word).eval()


def is_foldable(model: MobileBertClassifier | TwoTowerClassifier) -> bool:
    """Whether the norms are NoNorms that can be divided out, and the bottlenecks those that `FoldedStudent` knows."""
    return merges_queries(model) and all(can_be_divided_out(norm) for norm in divided_out(model.mobilebert))


def can_be_divided_out(norm: NoNorm) -> bool:
    """Whether none of its scales is too near to zero."""
    return bool(norm.weight.abs().min() >= SMALLEST_SCALE)


def divided_out(encoder: MobileBert) -> Iterator[NoNorm]:
    """The norms that have to be. Nothing is written behind the last norm of a stream, so that one is not among them."""
    layers = encoder.encoder.layers()
    for layer in layers:
        written = [layer.attention.output, *(down for _, down in layer.stacked())]
        yield from (cast(NoNorm, each.LayerNorm) for each in written[:-1])
        if layer is not layers[-1]:
            yield cast(NoNorm, layer.output.bottleneck.LayerNorm)


def merges_queries(model: MobileBertClassifier | TwoTowerClassifier | BertClassifier) -> bool:
    """Whether the form for devices multiplies queries and keys with the bottleneck that they share."""
    if isinstance(model, BertClassifier):
        return False
    return model.config.norm == "no_norm" and model.config.attention_input == "shared"


def even_stream(encoder: MobileBert) -> Stream:
    """The stream behind the embeddings, in the units of `stream_units`."""
    ones = torch.ones_like(cast(NoNorm, encoder.embeddings.LayerNorm).weight)
    end = Stream(ones, torch.zeros_like(ones))
    for layer in encoder.encoder.layers():
        end = end.normed(layer.output.bottleneck.LayerNorm)
    return Stream(stream_units(encoder, end.scale, end.shift), torch.zeros_like(ones))


class FoldedLayer(nn.Module):
    """One block without norms. With `only_first` it returns the [CLS] row alone, [batch, 1, hidden]."""

    def __init__(self, layer: Layer, stream: Stream, only_first: bool) -> None:
        super().__init__()
        attention = layer.attention.self
        self.heads, self.head_size, self.only_first = attention.heads, attention.head_size, only_first
        inner = stream.read(fold_norm(layer.bottleneck.input))
        shared = fold_norm(layer.bottleneck.attention)
        query = stream.read(compose(scaled(affine(attention.query), 1 / math.sqrt(self.head_size)), shared))
        key = stream.read(compose(affine(attention.key), shared))
        value = stream.read(affine(attention.value))
        query = with_mask_column(query, self.heads, 1.0)
        key = with_mask_column(key, self.heads, 0.0)
        self.from_first = linear(stack(inner, query)) if only_first else None
        self.from_all = linear(stack(key, value) if only_first else stack(inner, query, key, value))
        self.widths = [inner[0].shape[0], query[0].shape[0], key[0].shape[0], value[0].shape[0]]
        column = torch.zeros(self.heads, self.head_size + 1)
        column[:, -1] = MASK_SCORE
        self.mask_column: Tensor
        self.register_buffer("mask_column", column.flatten(), persistent=False)

        inside = Stream(torch.ones_like(inner[1]), torch.zeros_like(inner[1]))
        self.attention_output = linear(inside.write(affine(layer.attention.output.dense)))
        inside = inside.normed(layer.attention.output.LayerNorm)
        self.activation = layer.intermediate.activation
        self.up, self.down = nn.ModuleList(), nn.ModuleList()
        for up, down in layer.stacked():
            self.up.append(linear(inside.read(affine(up.dense))))
            self.down.append(linear(inside.write(affine(down.dense))))
            inside = inside.normed(down.LayerNorm)
        self.output = linear(stream.write(inside.read(affine(layer.output.bottleneck.dense))))

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        inner, query, key, value = self._project(x)
        key = key + padding * self.mask_column
        scores = self._split(query, self.head_size + 1) @ self._split(key, self.head_size + 1).transpose(-1, -2)
        context = scores.softmax(-1) @ self._split(value, self.head_size)
        h = inner + self.attention_output(context.transpose(1, 2).flatten(2))
        for up, down in zip(self.up, self.down, strict=True):
            h = h + down(self.activation(up(h)))
        y: Tensor = (x[:, :1] if self.only_first else x) + self.output(h)
        return y

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.from_first is None:
            together: tuple[Tensor, ...] = self.from_all(x).split(self.widths, dim=2)
            return together
        return (
            *self.from_first(x[:, :1]).split(self.widths[:2], dim=2),
            *self.from_all(x).split(self.widths[2:], dim=2),
        )

    def _split(self, x: Tensor, size: int) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, size).transpose(1, 2)


class FoldedStudent(nn.Module):
    """Ids, mask, types [batch, sequence] -> logits, equal to those of the model it is made from."""

    def __init__(
        self,
        model: MobileBertClassifier | TwoTowerClassifier,
        max_length: int | None = None,
        only_first: bool = True,
    ) -> None:
        super().__init__()
        embeddings = model.mobilebert.embeddings
        norm = cast(NoNorm, embeddings.LayerNorm)
        self.words = table(embeddings.word_embeddings.weight)
        stream = even_stream(model.mobilebert)
        into = norm.weight / stream.scale
        weight, bias = affine(embeddings.embedding_transformation)
        self.transformation = linear((weight * into[:, None], bias * into + norm.bias / stream.scale))
        self.positions = nn.Parameter((embeddings.position_embeddings.weight[:max_length] * into).detach().clone())
        self.types = table(embeddings.token_type_embeddings.weight * into)
        layers = model.mobilebert.encoder.layers()
        self.layers = nn.ModuleList()
        for layer in layers:
            self.layers.append(FoldedLayer(layer, stream, only_first=only_first and layer is layers[-1]))
            stream = stream.normed(layer.output.bottleneck.LayerNorm)
        self.classifier = self.head(affine(model.classifier), stream)
        self.by_word = model.config.by_word

    def head(self, classifier: Affine, stream: Stream) -> nn.Linear:
        """The classifier that reads what `states` returns."""
        return linear(stream.read(classifier))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        states = self.states(input_ids, attention_mask, token_type_ids)
        logits: Tensor = self.classifier(states if self.by_word else states[:, 0])
        return logits

    def states(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """The last layer's folded states, [batch, sequence, hidden], or those of [CLS] alone with `only_first`."""
        words = self.words(input_ids)
        edge = torch.zeros_like(words[:, :1])
        following = torch.cat([words[:, 1:], edge], dim=1)
        previous = torch.cat([edge, words[:, :-1]], dim=1)
        x = self.transformation(torch.cat([following, words, previous], dim=2))
        x = x + (self.positions[: input_ids.shape[1]] + self.types(token_type_ids))
        padding = (1 - attention_mask).to(x.dtype).unsqueeze(2)
        for layer in self.layers:
            x = layer(x, padding)
        last: Tensor = x
        return last


class FoldedTwoTowers(FoldedStudent):
    """The same of `TwoTowerClassifier`, both texts in one batch. The head multiplies vectors, so these are unfolded."""

    def __init__(self, model: TwoTowerClassifier, max_length: int | None = None) -> None:
        super().__init__(model, max_length)
        self.pad_id = model.config.pad_id

    def head(self, classifier: Affine, stream: Stream) -> nn.Linear:
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", stream.scale.detach().clone())
        self.register_buffer("shift", stream.shift.detach().clone())
        return linear(classifier)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        ids, mask, types = apart(input_ids, attention_mask, token_type_ids, self.pad_id)
        logits: Tensor = self.classifier(side_by_side(self.vectors(ids, mask, types)))
        return logits

    def vectors(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Of texts alone, [batch, hidden]."""
        return self.states(input_ids, attention_mask, token_type_ids)[:, 0] * self.scale + self.shift


def fold_norm(layer: NormedLinear) -> Affine:
    """The layer's projection with its NoNorm in it."""
    weight, bias = affine(layer.dense)
    norm = cast(NoNorm, layer.LayerNorm)
    return weight * norm.weight[:, None], bias * norm.weight + norm.bias
