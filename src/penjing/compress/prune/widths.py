"""Widths: the word table's, by rotating it onto the principal components of the rows that text uses and slicing.

As in SliceGPT (Ashkboos et al. 2024, arXiv 2401.15024): an orthogonal change of basis that the next layer undoes, then
the directions that carry least are dropped; the mean that they carried stays in a bias. Rows count by how often the
calibration text uses them. BERT's table gets a projection back to the hidden size; MobileBERT's own transformation
takes the rotation in. Left out: the hidden and bottleneck widths, which need the residual stream rotated too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from ..models.bert import BertClassifier
from ..models.mobilebert import MobileBertClassifier
from ..tokens import Batch
from .units import Encoder

CAN_CUT = ("embedding",)
UNSEEN = 0.1
"""Count of a row that the calibration text does not use: it must not vanish."""


@torch.no_grad()
def plan_widths(model: Encoder, batches: Sequence[Batch], sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Everything that `cut_widths` needs, from calibration text: `directions` [width, size] and `mean` [width].

    Raises PruningError for a width that cannot be cut, a size out of range, or rows that are not finite.
    """
    _check(model, sizes)
    table = _table(model)
    counts = torch.full((len(table),), UNSEEN)
    for batch in batches:
        counts += torch.bincount(batch.input_ids[batch.attention_mask.bool()], minlength=len(table))
    if not bool(torch.isfinite(table).all()):
        raise PruningError("the word table holds values that are not numbers: train or load the model again")
    # A padded row of MobileBERT must stay zero for its trigram, so nothing may be subtracted from it.
    mean = (table * counts[:, None]).sum(0) / counts.sum()
    mean = mean if isinstance(model, BertClassifier) else torch.zeros_like(mean)
    centred = ((table - mean) * counts.sqrt()[:, None]).double()
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, : sizes["embedding"]]
    return {"directions": directions.float().contiguous(), "mean": mean}


@torch.no_grad()
def cut_widths(model: Encoder, sizes: Mapping[str, int], tensors: Mapping[str, Tensor]) -> Encoder:
    """The model with the narrower table, in eval mode; a model of its own."""
    _check(model, sizes)
    build: Any = type(model)
    small: Encoder = build(replace(model.config, embedding_size=sizes["embedding"]), model.num_labels)
    weights, directions = dict(model.state_dict()), tensors["directions"]
    prefix = "bert.embeddings" if isinstance(model, BertClassifier) else "mobilebert.embeddings"
    words = f"{prefix}.word_embeddings.weight"
    weights[words] = (weights[words] - tensors["mean"]) @ directions
    if isinstance(model, BertClassifier):
        _narrow_bert(weights, f"{prefix}.word_projection", directions, tensors["mean"])
    else:
        name = f"{prefix}.embedding_transformation.weight"
        blocks = weights[name].chunk(3, dim=1)
        weights[name] = torch.cat([block @ directions for block in blocks], dim=1)
    small.load_state_dict(weights)
    small.eval()
    return small


def hidden_basis(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """[old hidden, new hidden] of a plan that cuts the hidden states, else None."""
    return tensors.get("hidden_basis")


def _narrow_bert(weights: dict[str, Tensor], place: str, directions: Tensor, mean: Tensor) -> None:
    old = weights.pop(f"{place}.weight", torch.eye(len(directions)))
    bias = weights.pop(f"{place}.bias", torch.zeros(len(old)))
    weights[f"{place}.weight"] = old @ directions
    weights[f"{place}.bias"] = old @ mean + bias


def _table(model: Encoder) -> Tensor:
    encoder = model.bert if isinstance(model, BertClassifier) else model.mobilebert
    return encoder.embeddings.word_embeddings.weight


def _check(model: Encoder, sizes: Mapping[str, int]) -> None:
    if not isinstance(model, (BertClassifier, MobileBertClassifier)):
        raise PruningError(f"widths of a {type(model).__name__} cannot be cut: take a BERT or MobileBERT student")
    for name, size in sizes.items():
        if name not in CAN_CUT:
            raise PruningError(f"prune.widths.{name} cannot be cut, only {', '.join(CAN_CUT)}: leave {name} out")
        dense = model.config.embedding_size
        if not 0 < size < dense:
            raise PruningError(f"prune.widths.{name} is {size}, allowed is 1 to {dense - 1}: the model has {dense}")
