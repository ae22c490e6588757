"""A MobileBERT whose NoNorms do nothing: each is folded into the linear layers beside it, the function stays.

NoNorm is an affine map, so a stream that it scales and shifts can be kept unscaled (`models/folded.Stream`). Left out:
the form for devices, which fuses layers as well (`models/folded.py`), and LayerNorm, which cannot be folded.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from ..models.affine import affine, set_affine
from ..models.folded import SMALLEST_SCALE, Stream, can_be_divided_out, divided_out, even_stream, fold_norm
from ..models.mobilebert import Layer, MobileBertClassifier, NoNorm, NormedLinear


@torch.no_grad()
def without_norms(model: MobileBertClassifier) -> tuple[MobileBertClassifier, Tensor]:
    """The same function with every NoNorm at 1 and 0, and the scales that its hidden states were divided by, [layers
    + 1, hidden]: embeddings, each layer's output.

    Raises PruningError when a NoNorm scale is too near to zero. The model has shared bottlenecks for queries and keys.
    """
    check_scales(model, divided_out(model.mobilebert))
    plain = copy.deepcopy(model).eval()
    embeddings = plain.mobilebert.embeddings
    norm = cast(NoNorm, embeddings.LayerNorm)
    embeddings.position_embeddings.weight *= norm.weight
    embeddings.token_type_embeddings.weight *= norm.weight
    weight, bias = affine(embeddings.embedding_transformation)
    set_affine(embeddings.embedding_transformation, (weight * norm.weight[:, None], bias * norm.weight + norm.bias))
    stream = _unscaled(norm.weight)
    scales = [stream.scale]
    for layer in plain.mobilebert.encoder.layers():
        stream = _fold_layer(layer, stream)
        scales.append(stream.scale)
    set_affine(plain.classifier, stream.read(affine(plain.classifier)))
    for module in plain.modules():
        if isinstance(module, NoNorm):
            module.weight.fill_(1)
            module.bias.zero_()
    return plain, torch.stack(scales)


@torch.no_grad()
def in_even_units(plain: MobileBertClassifier) -> MobileBertClassifier:
    """The same function of a model whose NoNorms do nothing, its residual stream in the units of its form for devices,
    which therefore rounds the same values to 8 bits."""
    even = copy.deepcopy(plain).eval()
    embeddings, stream = even.mobilebert.embeddings, even_stream(even.mobilebert)
    embeddings.position_embeddings.weight /= stream.scale
    embeddings.token_type_embeddings.weight /= stream.scale
    set_affine(embeddings.embedding_transformation, stream.write(affine(embeddings.embedding_transformation)))
    for layer in even.mobilebert.encoder.layers():
        value, way_out = layer.attention.self.value, layer.output.bottleneck.dense
        for reader in (layer.bottleneck.input.dense, layer.bottleneck.attention.dense, value):
            set_affine(reader, stream.read(affine(reader)))
        set_affine(way_out, stream.write(affine(way_out)))
    set_affine(even.classifier, stream.read(affine(even.classifier)))
    return even


def _fold_layer(layer: Layer, stream: Stream) -> Stream:
    """Changes the layer to one that reads and writes the unscaled stream; returns the stream behind it."""
    for way_in in (layer.bottleneck.input, layer.bottleneck.attention):
        set_affine(way_in.dense, stream.read(fold_norm(way_in)))
    set_affine(layer.attention.self.value, stream.read(affine(layer.attention.self.value)))
    inside = _written(layer.attention.output, _unscaled(layer.bottleneck.input.dense.bias))
    for up, down in layer.stacked():
        set_affine(up.dense, inside.read(affine(up.dense)))
        inside = _written(down, inside)
    way_out = layer.output.bottleneck
    set_affine(way_out.dense, inside.read(affine(way_out.dense)))
    return _written(way_out, stream)


def _written(layer: NormedLinear, stream: Stream) -> Stream:
    set_affine(layer.dense, stream.write(affine(layer.dense)))
    return stream.normed(layer.LayerNorm)


def _unscaled(like: Tensor) -> Stream:
    return Stream(torch.ones_like(like), torch.zeros_like(like))


def check_scales(model: MobileBertClassifier, norms: Iterable[NoNorm]) -> None:
    """Raises PruningError, which names it, where one of these norms of the model has a scale too near to zero."""
    names = {module: name for name, module in model.named_modules()}
    for norm in norms:
        if not can_be_divided_out(norm):
            raise PruningError(
                f"{names[norm]} has a scale of {norm.weight.abs().min().item():.2g}: hidden and bottleneck sizes can be"
                f" cut where every NoNorm scale is {SMALLEST_SCALE} or more, as it must be divided out; cut the"
                " embedding, layers, heads or neurons instead"
            )
