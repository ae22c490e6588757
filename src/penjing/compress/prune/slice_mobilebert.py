"""A narrower MobileBERT: its residual streams are rotated onto their leading directions, and the rest is sliced off.

SliceGPT (Ashkboos et al. 2024, arXiv 2401.15024, section 3.2) with NoNorm: once every NoNorm is folded into the linear
layers beside it, the streams are plain sums, so a rotation changes nothing and one basis serves the hidden states of
all layers; inside a block the bottleneck has a basis of its own. What the cut directions would have held is estimated
from the kept ones where the stream is read, and folded into the readers' weights and biases. Left out: models with
LayerNorm, a pooler, or queries and keys that do not have a bottleneck of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..models.affine import Affine, affine, set_affine
from ..models.mobilebert import Layer, MobileBertClassifier, MobileBertConfig, NoNorm
from ..tokens import Batch
from ..training import device_of
from .directions import Moments, leading_directions, state_moments
from .fold_norms import check_scales, without_norms

ESTIMATE_RIDGE = 1e-4
"""Pull of the cut directions' estimate towards their mean, relative to the mean variance of the kept ones."""


@dataclass(frozen=True)
class Slice:
    """A stream x is kept as z = x @ to; where it is read it is taken for z @ back.T + offset.

    `to`, `back` [dense, kept], `offset` [dense]. Streams that are added to each other share `to`.
    """

    to: Tensor
    back: Tensor
    offset: Tensor

    def project(self, x: Tensor) -> Tensor:
        """What readers of the sliced stream see in place of x."""
        return x @ self.to @ self.back.T + self.offset

    def read(self, linear: Affine) -> Affine:
        """The layer that reads z as `linear` reads x."""
        weight, bias = linear
        return weight @ self.back, bias + weight @ self.offset

    def write(self, linear: Affine) -> Affine:
        """The layer whose output is added to z as `linear`'s is to x."""
        weight, bias = linear
        return self.to.T @ weight, bias @ self.to


@dataclass(frozen=True)
class Slices:
    """`hidden`: embeddings and each layer's output; for each layer `shared`, the bottleneck of queries and keys, and
    `inner`, the block's stream behind attention and behind every feed-forward."""

    hidden: tuple[Slice, ...]
    shared: tuple[Slice, ...]
    inner: tuple[tuple[Slice, ...], ...]


@torch.no_grad()
def slice_mobilebert(
    model: MobileBertClassifier, batches: Sequence[Batch], shape: MobileBertConfig
) -> tuple[MobileBertClassifier, Tensor]:
    """The model of `shape`, which differs in hidden and bottleneck size alone, and the basis [dense, hidden].

    The sliced states lack the scales of the NoNorms before them, layer by layer others; the basis has their mean.
    Raises PruningError when there are no texts, states are not finite, or a NoNorm scale cannot be divided out.
    """
    last = cast(NoNorm, model.mobilebert.encoder.layers()[-1].output.bottleneck.LayerNorm)
    check_scales(model, [last])  # the basis divides by it, too
    plain, scales = without_norms(model)
    slices = choose_slices(plain, batches, shape)
    basis = scales[1:].reciprocal().mean(0)[:, None] * slices.hidden[0].to
    return sliced(plain, shape, slices), basis


@torch.no_grad()
def choose_slices(plain: MobileBertClassifier, batches: Sequence[Batch], shape: MobileBertConfig) -> Slices:
    """Of a model without norms, after its states on the texts of `batches`. What stays whole is rotated alone."""
    moments = state_moments(plain, batches, _states(plain))
    layers = range(len(plain.config.layers))
    hidden = [moments[name] for name in ("the embeddings", *(f"layer {index}" for index in layers))]
    shared = [[moments[f"layer {index}'s shared bottleneck"]] for index in layers]
    inner = [[part for name, part in moments.items() if name.startswith(f"layer {index}, ")] for index in layers]
    size = shape.bottleneck_size
    return Slices(
        _slices(hidden, shape.hidden_size),
        tuple(_slices(part, size)[0] for part in shared),
        tuple(_slices(part, size) for part in inner),
    )


@torch.no_grad()
def sliced(plain: MobileBertClassifier, shape: MobileBertConfig, slices: Slices) -> MobileBertClassifier:
    """The narrow form of a model without norms."""
    small = MobileBertClassifier(shape, plain.num_labels).to(device_of(plain)).eval()
    old, new = plain.mobilebert.embeddings, small.mobilebert.embeddings
    first = slices.hidden[0]
    new.word_embeddings.weight.copy_(old.word_embeddings.weight)
    new.position_embeddings.weight.copy_(old.position_embeddings.weight @ first.to)
    new.token_type_embeddings.weight.copy_(old.token_type_embeddings.weight @ first.to)
    set_affine(new.embedding_transformation, first.write(affine(old.embedding_transformation)))
    pairs = zip(plain.mobilebert.encoder.layers(), small.mobilebert.encoder.layers(), strict=True)
    for index, (dense, narrow) in enumerate(pairs):
        _slice_layer(dense, narrow, slices.hidden[index], slices.shared[index], slices.inner[index])
    set_affine(small.classifier, slices.hidden[-1].read(affine(plain.classifier)))
    return small


def _slice_layer(old: Layer, new: Layer, hidden: Slice, shared: Slice, inner: Sequence[Slice]) -> None:
    """`hidden` is the slice of the layer's input; its output is added to the same stream."""
    for name, reader, writer in (
        ("bottleneck.input.dense", hidden, inner[0]),
        ("bottleneck.attention.dense", hidden, shared),
        ("attention.self.value", hidden, None),
        ("attention.self.query", shared, None),
        ("attention.self.key", shared, None),
        ("attention.output.dense", None, inner[0]),
        ("output.bottleneck.dense", inner[-1], hidden),
    ):
        _slice_linear(old.get_submodule(name), new.get_submodule(name), reader, writer)
    for before, (up, down), (new_up, new_down) in zip(inner, old.stacked(), new.stacked(), strict=False):
        _slice_linear(up.dense, new_up.dense, before, None)
        _slice_linear(down.dense, new_down.dense, None, before)


def _slice_linear(old: nn.Module, new: nn.Module, reader: Slice | None, writer: Slice | None) -> None:
    """A layer that reads one stream and writes to another; None for what is not sliced."""
    whole = affine(cast(nn.Linear, old))
    whole = whole if reader is None else reader.read(whole)
    set_affine(cast(nn.Linear, new), whole if writer is None else writer.write(whole))


def _states(plain: MobileBertClassifier) -> dict[str, nn.Module]:
    """Every state that something reads; those of a block's own stream are named "layer i, ...", in order."""
    sites: dict[str, nn.Module] = {"the embeddings": plain.mobilebert.embeddings}
    for index, layer in enumerate(plain.mobilebert.encoder.layers()):
        sites[f"layer {index}'s shared bottleneck"] = layer.bottleneck.attention
        sites[f"layer {index}, attention"] = layer.attention.output
        for place, (_, down) in enumerate(layer.stacked()):
            sites[f"layer {index}, feed-forward {place}"] = down
        sites[f"layer {index}"] = layer.output.bottleneck
    return sites


def _slices(moments: Sequence[Moments], size: int) -> tuple[Slice, ...]:
    """Of the states of one stream: a common basis, and for each state its own estimate of what is cut."""
    to = leading_directions(torch.stack([part.importance for part in moments]).sum(0), size)
    return tuple(_slice(part, to) for part in moments)


def _slice(moments: Moments, to: Tensor) -> Slice:
    kept = to.T @ moments.covariance @ to
    kept += torch.eye(len(kept), dtype=kept.dtype) * (ESTIMATE_RIDGE * kept.diagonal().mean() + 1e-12)
    across = moments.covariance @ to
    rest = across - to @ (to.T @ across)
    back = to + torch.linalg.solve(kept, rest.T).T
    return Slice(to.float(), back.float(), (moments.mean - back @ (to.T @ moments.mean)).float())
