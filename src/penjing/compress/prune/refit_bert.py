"""A narrower BERT: all hidden states in one basis of fewer directions, every weight refitted to it in closed form.

SliceGPT (Ashkboos et al. 2024, arXiv 2401.15024) rotates and slices models whose norm comes before a layer; there a
rotation changes nothing. BERT's norm stands behind the residual sum. It takes the channels' mean out, so the basis is
laid out such that the channels of the narrow states have mean 0 too. It scales each channel, which in the new basis is
a full matrix of which a narrow norm can only hold the diagonal: that, and what the cut directions held, is an
approximation. So layer by layer, on what the narrow model really computes, readers take the best linear estimate of the
dense state, output matrices are regressions on what is missing in the residual sum, and norms are fitted channel by
channel; each step makes up for the errors of those before. Left out: training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.affine import Affine, affine, compose, set_affine
from ..models.bert import BertClassifier, BertShape, Layer, NormedOutput
from ..models.encoder import mask_to_scores
from ..tokens import Batch
from ..training import device_of
from .directions import Moments, leading_directions, state_moments, without_mean
from .least_squares import ChannelFit, LeastSquares
from .word_codes import word_codes, word_counts

READ_RIDGE, OUTPUT_RIDGE, FIRST_RIDGE = 1e-4, 1e-2, 1e-1
"""Pulls towards the weights merely expressed in the basis: of readers, of output matrices, and of what reads the first
token alone, of which there is one a text."""


@dataclass(frozen=True)
class _Text:
    """A batch on its way through both models: states [batch, sequence, hidden], the mask's scores, the real tokens."""

    dense: Tensor
    small: Tensor
    scores: Tensor
    real: Tensor


Features = Callable[[_Text], Tensor]
"""The inputs of an output matrix, [batch, sequence, inputs]."""


@torch.no_grad()
def refit_bert(model: BertClassifier, batches: Sequence[Batch], shape: BertShape) -> tuple[BertClassifier, Tensor]:
    """The model of `shape`, which differs in hidden and embedding size alone, and the basis [dense, hidden].

    Raises PruningError when there are no texts or the states are not finite.
    """
    moments = state_moments(model, batches, _states(model))
    basis = _shared_basis(list(moments.values()), shape.hidden_size).to(device_of(model))
    small = BertClassifier(shape, model.num_labels).to(device_of(model)).eval()
    _cut_tables(model, small, batches, basis, moments["the embeddings"])
    texts = _start(model, small, batches, basis)
    for old, new in zip(model.bert.encoder.layers(), small.bert.encoder.layers(), strict=True):
        texts = _refit_layer(old, new, texts, basis)
    _refit_head(model, small, texts, basis)
    return small, basis


def _states(model: BertClassifier) -> dict[str, nn.Module]:
    """Every hidden state, those between attention and feed-forward too."""
    sites: dict[str, nn.Module] = {"the embeddings": model.bert.embeddings}
    for index, layer in enumerate(model.bert.encoder.layers()):
        sites[f"layer {index}'s attention"] = layer.attention.output
        sites[f"layer {index}"] = layer.output
    return sites


def _shared_basis(moments: Sequence[Moments], size: int) -> Tensor:
    """[dense, size], orthonormal but for one direction, which mean 0 costs; the identity if nothing is to be cut."""
    dense = len(moments[0].mean)
    if size == dense:
        return torch.eye(dense)
    centring = torch.eye(dense, dtype=torch.float64) - 1 / dense
    importance = torch.stack([part.importance for part in moments]).sum(0)
    return (leading_directions(centring @ importance @ centring, size - 1) @ without_mean(size).T).float()


def _cut_tables(
    model: BertClassifier, small: BertClassifier, batches: Sequence[Batch], basis: Tensor, moments: Moments
) -> None:
    """Words, positions and types; the embeddings' norm is left at 1 and 0."""
    old, new = model.bert.embeddings, small.bert.embeddings
    new.position_embeddings.weight.copy_(old.position_embeddings.weight @ basis)
    new.token_type_embeddings.weight.copy_(old.token_type_embeddings.weight @ basis)
    rows, projected = old.word_embeddings.weight, hasattr(old, "word_projection")
    width = small.config.embedding_size
    if width == small.config.hidden_size:
        new.word_embeddings.weight.copy_((old.word_projection(rows) if projected else rows) @ basis)
    elif projected and width == model.config.embedding_size:
        new.word_embeddings.weight.copy_(rows)
        set_affine(new.word_projection, (basis.T @ old.word_projection.weight, old.word_projection.bias @ basis))
    else:
        codes, back, mean = _coded(model, old.word_projection(rows) if projected else rows, batches, moments, width)
        new.word_embeddings.weight.copy_(codes)
        set_affine(new.word_projection, (basis.T @ back, mean @ basis))


def _coded(
    model: BertClassifier, rows: Tensor, batches: Sequence[Batch], moments: Moments, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, what widens them, and the mean row. The norm behind takes the channels' mean out, divides a word's error
    by its spread, and scales channels: so errors are measured behind it."""
    old = model.bert.embeddings
    whole = rows + old.position_embeddings.weight.mean(0) + old.token_type_embeddings.weight[0]
    weights = word_counts(batches, len(rows)).to(rows.device) / whole.var(-1, unbiased=False).double()
    mean = (weights @ rows.double() / weights.sum()).to(rows.dtype)
    scale = old.LayerNorm.weight.double()
    centred = torch.diag(scale) - scale[:, None] / len(scale)
    metric = centred.T @ moments.metric.to(rows.device) @ centred
    return *word_codes(rows - mean, weights, metric, width), mean


def _start(model: BertClassifier, small: BertClassifier, batches: Sequence[Batch], basis: Tensor) -> list[_Text]:
    """Both models' embeddings, after the narrow norm has been fitted."""
    texts = []
    for batch in batches:
        batch = batch.to(basis.device)
        dense, narrow = (m.bert.embeddings(batch.input_ids, batch.token_type_ids) for m in (model, small))
        scores = mask_to_scores(batch.attention_mask, basis.dtype)
        texts.append(_Text(dense, narrow, scores, batch.attention_mask.bool()))
    fit = ChannelFit()
    for text in texts:
        target = (text.dense @ basis)[text.real]
        fit.add(text.small[text.real], target, target.new_ones(len(target)))
    norm = small.bert.embeddings.LayerNorm
    set_affine(norm, fit.solve())
    return [replace(text, small=text.small * norm.weight + norm.bias) for text in texts]


def _refit_layer(old: Layer, new: Layer, texts: list[_Text], basis: Tensor) -> list[_Text]:
    """Changes `new`; returns the texts behind the layer."""
    estimate = _estimate(texts, basis)
    for name in ("query", "key", "value"):
        set_affine(getattr(new.attention.self, name), compose(affine(getattr(old.attention.self, name)), estimate))
    texts = _refit_output(
        old.attention.output, new.attention.output, texts, basis,
        lambda text: old.attention.self(text.dense, text.scores)[0],
        lambda text: new.attention.self(text.small, text.scores)[0],
    )  # fmt: skip
    set_affine(new.intermediate.dense, compose(affine(old.intermediate.dense), _estimate(texts, basis)))
    return _refit_output(
        old.output, new.output, texts, basis,
        lambda text: old.intermediate(text.dense), lambda text: new.intermediate(text.small),
    )  # fmt: skip


def _estimate(texts: Sequence[_Text], basis: Tensor) -> Affine:
    """The dense state from the narrow one."""
    equations = LeastSquares()
    for text in texts:
        equations.add(text.small[text.real], text.dense[text.real])
    return equations.solve(READ_RIDGE, basis)


def _refit_output(
    old: NormedOutput, new: NormedOutput, texts: Sequence[_Text], basis: Tensor, dense: Features, small: Features
) -> list[_Text]:
    """The output matrix, then the norm behind it. A token's error counts as much as the norm leaves of it."""
    equations, sums, weights = LeastSquares(), [], []
    for text in texts:
        sums.append(old.dense(dense(text)) + text.dense)
        weights.append(sums[-1].var(-1, unbiased=False).add(old.LayerNorm.eps).reciprocal()[text.real])
        missing = sums[-1] @ basis - text.small
        equations.add(small(text)[text.real], missing[text.real], weights[-1])
    set_affine(new.dense, equations.solve(OUTPUT_RIDGE, basis.T @ old.dense.weight))
    fit, passed = ChannelFit(), []
    for text, total in zip(texts, sums, strict=True):
        state = old.LayerNorm(total)
        normed = F.layer_norm(
            new.dense(small(text)) + text.small, new.LayerNorm.normalized_shape, eps=new.LayerNorm.eps
        )
        target = (state @ basis)[text.real]
        fit.add(normed[text.real], target, target.new_ones(len(target)))
        passed.append(replace(text, dense=state, small=normed))
    set_affine(new.LayerNorm, fit.solve())
    return [replace(text, small=text.small * new.LayerNorm.weight + new.LayerNorm.bias) for text in passed]


def _refit_head(model: BertClassifier, small: BertClassifier, texts: Sequence[_Text], basis: Tensor) -> None:
    """The pooler's neurons that the classifier hears most, and the classifier on those."""
    dense, first = (torch.cat([getattr(text, name)[:, 0] for text in texts]) for name in ("dense", "small"))
    equations, logits = LeastSquares(), LeastSquares()
    equations.add(first, dense)
    weight, bias = compose(affine(model.bert.pooler.dense), equations.solve(FIRST_RIDGE, _estimate(texts, basis)[0]))
    pooled, heard = model.bert.pooler(dense), model.classifier.weight
    loudness = (heard - heard.mean(0)).norm(dim=0) * pooled.std(0)
    kept = loudness.argsort(descending=True, stable=True)[: small.config.hidden_size].sort().values
    set_affine(small.bert.pooler.dense, (weight[kept], bias[kept]))
    logits.add(small.bert.pooler(first), model.classifier(pooled))
    set_affine(small.classifier, logits.solve(FIRST_RIDGE, heard[:, kept]))
