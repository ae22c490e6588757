"""BERT's form for devices: the same function with less to do, exact up to rounding.

Queries, keys and values are one product of the layer's input, with 1/sqrt(head size) in the query's weights. The mask
rides in the score product as one more column of queries and keys, so nothing of size heads x sequence x sequence is
added. The last layer computes only what the head reads: keys and values of all tokens, the rest for [CLS] alone.
Outliers among the inputs of a product are divided first (`outliers.py`), for int8. Left out: training, and folding
LayerNorm's scale and shift. The residual reads them as well, so the scale would become a product of its own, while
inside the norm's node both cost nothing.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from .affine import affine, linear, scaled, stack, table, with_mask_column
from .bert import BertClassifier, Layer
from .encoder import MASK_SCORE
from .outliers import Peaks, input_peaks, without_outliers


class FoldedBertLayer(nn.Module):
    """One layer: [batch, sequence, hidden] to the same, or to the [CLS] row alone with `only_first`."""

    def __init__(self, layer: Layer, only_first: bool, peaks: Peaks) -> None:
        super().__init__()
        attention = layer.attention.self
        self.heads, self.head_size, self.only_first = attention.heads, attention.head_size, only_first
        query = with_mask_column(scaled(affine(attention.query), 1 / math.sqrt(self.head_size)), self.heads, 1.0)
        key = with_mask_column(affine(attention.key), self.heads, 0.0)
        value = affine(attention.value)
        states = peaks[attention.query]
        self.from_first = without_outliers(linear(query), states) if only_first else None
        together = stack(key, value) if only_first else stack(query, key, value)
        self.from_all = without_outliers(linear(together), states)
        self.widths = [query[0].shape[0], key[0].shape[0], value[0].shape[0]]
        column = torch.zeros(self.heads, self.head_size + 1)
        column[:, -1] = MASK_SCORE
        self.mask_column: Tensor
        self.register_buffer("mask_column", column.flatten(), persistent=False)
        self.attention_output = copy.deepcopy(layer.attention.output)
        self.up = without_outliers(linear(affine(layer.intermediate.dense)), peaks[layer.intermediate.dense])
        self.activation = layer.intermediate.activation
        self.down = copy.deepcopy(layer.output)
        self.down.add_module("dense", without_outliers(self.down.dense, peaks[layer.output.dense]))

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        query, key, value = self._project(x)
        key = key + padding * self.mask_column
        scores = self._split(query, self.head_size + 1) @ self._split(key, self.head_size + 1).transpose(-1, -2)
        context = scores.softmax(-1) @ self._split(value, self.head_size)
        h = self.attention_output(context.transpose(1, 2).flatten(2), x[:, :1] if self.only_first else x)
        y: Tensor = self.down(self.activation(self.up(h)), h)
        return y

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.from_first is None:
            together: tuple[Tensor, ...] = self.from_all(x).split(self.widths, dim=2)
            return together
        return (self.from_first(x[:, :1]), *self.from_all(x).split(self.widths[1:], dim=2))

    def _split(self, x: Tensor, size: int) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, size).transpose(1, 2)


class FoldedBert(nn.Module):
    """Ids, mask, types [batch, sequence] -> logits, equal to those of the model it is made from.

    With `max_length` only so many rows of the position table are kept, since no longer text will come.
    """

    def __init__(self, model: BertClassifier, max_length: int | None = None) -> None:
        super().__init__()
        embeddings = model.bert.embeddings
        self.words = table(embeddings.word_embeddings.weight)
        narrow = model.config.embedding_size != model.config.hidden_size
        self.projection = linear(affine(embeddings.word_projection)) if narrow else nn.Identity()
        self.positions = nn.Parameter(embeddings.position_embeddings.weight[:max_length].detach().clone())
        self.types = table(embeddings.token_type_embeddings.weight)
        self.norm = copy.deepcopy(embeddings.LayerNorm)
        layers = model.bert.encoder.layers()
        self.by_word = model.config.by_word
        last = None if self.by_word else layers[-1]
        peaks = input_peaks(model)
        self.layers = nn.ModuleList(FoldedBertLayer(layer, layer is last, peaks) for layer in layers)
        self.pooler = nn.Identity() if self.by_word else copy.deepcopy(model.bert.pooler)
        self.classifier = linear(affine(model.classifier))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        words = self.projection(self.words(input_ids))
        x = self.norm(words + (self.positions[: input_ids.shape[1]] + self.types(token_type_ids)))
        padding = (1 - attention_mask).to(x.dtype).unsqueeze(2)
        for layer in self.layers:
            x = layer(x, padding)
        logits: Tensor = self.classifier(self.pooler(x if self.by_word else x[:, 0]))
        return logits
