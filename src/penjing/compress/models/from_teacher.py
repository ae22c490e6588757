"""A student that starts from its teacher: every weight by closed form, layer by layer, on a few hundred sentences.

The embedding is a truncated SVD of the teacher's (rows weighted by how often the sentences use them); queries and keys
keep the best low-rank form of each head's bilinear score; values, feed-forward neurons and the ways in and out of the
bottleneck are ridge regressions of what the teacher computes on what the student already computes. Our own method; the
low-rank steps are data-weighted truncated SVDs (Eckart and Young 1936). Left out: teachers whose modules are not named
as BERT's; for those only the embedding is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..tokens import Batch
from .closed_form import basis, layer_map, regress, trace_teacher, whiten
from .encoder import mask_to_scores
from .mobilebert import Layer, MobileBertClassifier, NoNorm


@torch.no_grad()
def start_from_teacher(student: MobileBertClassifier, teacher: nn.Module, batches: Sequence[Batch]) -> Tensor:
    """Overwrites the student's weights; `teacher` is a transformers encoder with a classification head, in eval mode.

    Returns the projection from the teacher's hidden size to the student's, [teacher hidden, student hidden].
    """
    base: Any = teacher.base_model
    frequencies = word_frequencies(batches, base.embeddings.word_embeddings.num_embeddings)
    trace = trace_teacher(teacher, batches)
    project = basis(trace.hidden[-1], student.config.hidden_size)
    states = start_embeddings(student, base, batches, trace.hidden[0] @ project, frequencies)
    layers = student.mobilebert.encoder.layers()
    targets = layer_map(len(layers), len(trace.middle))
    for layer, index in tqdm(list(zip(layers, targets, strict=True)), desc="start from teacher", disable=None):
        start = _LayerStart(layer, base.encoder.layer[index], project, batches, states)
        states = start.run(trace.middle[index] @ project, trace.hidden[index + 1] @ project)
    first = torch.cat([batch.read_by_head(state) for batch, state in zip(batches, states, strict=True)])
    weight, bias = regress(first, trace.logits, ridge=0.1)
    student.classifier.weight.copy_(weight)
    student.classifier.bias.copy_(bias)
    return project


class _LayerStart:
    """Starts one student layer from one teacher layer; `states` are the student's own inputs, padded, one a batch."""

    def __init__(
        self, layer: Layer, teacher: Any, project: Tensor, batches: Sequence[Batch], states: list[Tensor]
    ) -> None:
        self.layer, self.teacher, self.project = layer, teacher, project
        self.batches, self.states = batches, states
        self.x = self._real(states)
        self.white = whiten(self.x)

    def run(self, middle: Tensor, target: Tensor) -> list[Tensor]:
        """`middle`, `target`: the teacher's states in the student's basis [tokens, hidden]. Returns new states."""
        self._scores()
        self._values(middle)
        to_inner = self._inner_basis(middle, target)
        h = self._ways_in(middle, to_inner)
        h = self._feed_forwards(middle, to_inner, h)
        self._way_out(h, target)
        scores = [mask_to_scores(b.attention_mask, torch.float32) for b in self.batches]
        return [self.layer(x, s)[0] for x, s in zip(self.states, scores, strict=True)]

    def _real(self, states: Sequence[Tensor]) -> Tensor:
        return torch.cat([s[b.attention_mask.bool()] for s, b in zip(states, self.batches, strict=True)])

    def _heads(self, linear: nn.Linear, count: int) -> list[tuple[Tensor, Tensor]]:
        """Weight in the student's basis and bias of the teacher head that each student head starts from."""
        own = self.teacher.attention.self.num_attention_heads
        weights = (linear.weight @ self.project).reshape(own, -1, self.project.shape[1])
        biases = linear.bias.reshape(own, -1)
        return [(weights[i * own // count], biases[i * own // count]) for i in range(count)]

    def _scores(self) -> None:
        """Shared bottleneck, queries and keys: the best low-rank form of every head's score on this data."""
        attention, source = self.layer.attention.self, self.teacher.attention.self
        size = attention.head_size
        queries, keys = self._heads(source.query, attention.heads), self._heads(source.key, attention.heads)
        reads = torch.cat([weight for weight, _ in queries + keys]) @ self.white.from_white
        rows = self.layer.bottleneck.attention.dense.out_features
        directions = torch.linalg.svd(reads, full_matrices=False).Vh[:rows]
        _set(self.layer.bottleneck.attention.dense, directions @ self.white.to_white, -self.white.mean)
        back = self.white.from_white @ directions.T
        for head, ((wq, bq), (wk, _)) in enumerate(zip(queries, keys, strict=True)):
            query = torch.cat([wq @ back, (wq @ self.white.mean + bq)[:, None]], dim=1)
            score = query.T @ (wk @ back) / wq.shape[0] ** 0.5
            left, strength, right = torch.linalg.svd(score, full_matrices=False)
            scale = strength[:size].sqrt() * size**0.25
            rows_of_head = slice(head * size, (head + 1) * size)
            attention.query.weight[rows_of_head] = (left[:-1, :size] * scale).T
            attention.query.bias[rows_of_head] = left[-1, :size] * scale
            attention.key.weight[rows_of_head] = right[:size] * scale[:, None]
            attention.key.bias[rows_of_head] = 0

    def _values(self, middle: Tensor) -> None:
        """Values: the directions of each head's output that carry most on this data."""
        attention, source = self.layer.attention.self, self.teacher.attention
        size = attention.head_size
        out = source.output.dense.weight
        out = out.reshape(out.shape[0], source.self.num_attention_heads, -1)
        for head, (weight, _) in enumerate(self._heads(source.self.value, attention.heads)):
            teacher_head = head * source.self.num_attention_heads // attention.heads
            effect = self.project.T @ out[:, teacher_head] @ weight @ self.white.from_white
            _, strength, right = torch.linalg.svd(effect, full_matrices=False)
            scale = (strength[:size] / strength[0].clamp_min(1e-6)).sqrt()[:, None]
            rows = slice(head * size, (head + 1) * size)
            attention.value.weight[rows] = scale * right[:size] @ self.white.to_white
            attention.value.bias[rows] = -attention.value.weight[rows] @ self.white.mean

    def _inner_basis(self, middle: Tensor, target: Tensor) -> Tensor:
        """[inner, hidden]: whitened directions of the middle state that the feed-forward reads and the output needs."""
        white = whiten(middle)
        reads = self.teacher.intermediate.dense.weight @ self.project @ white.from_white
        needs, _ = regress((middle - white.mean) @ white.to_white, target)
        both = torch.cat([reads / reads.norm(), needs / needs.norm()])
        rows = self.layer.bottleneck.input.dense.out_features
        directions: Tensor = torch.linalg.svd(both, full_matrices=False).Vh
        return directions[:rows] @ white.to_white

    def _ways_in(self, middle: Tensor, to_inner: Tensor) -> Tensor:
        """The residual bottleneck and the attention output together; returns the inner state [tokens, inner]."""
        context = self._context()
        weight, bias = regress(torch.cat([self.x, context], 1), (middle - middle.mean(0)) @ to_inner.T)
        split = self.x.shape[1]
        self.layer.bottleneck.input.dense.weight.copy_(weight[:, :split])
        self.layer.bottleneck.input.dense.bias.copy_(bias)
        self.layer.attention.output.dense.weight.copy_(weight[:, split:])
        self.layer.attention.output.dense.bias.zero_()
        return torch.cat([self.x, context], 1) @ weight.T + bias

    def _context(self) -> Tensor:
        contexts = []
        for batch, x in zip(self.batches, self.states, strict=True):
            scores = mask_to_scores(batch.attention_mask, torch.float32)
            contexts.append(self.layer.attention.self(self.layer.bottleneck.attention(x), x, scores)[0])
        return self._real(contexts)

    def _feed_forwards(self, middle: Tensor, to_inner: Tensor, h: Tensor) -> Tensor:
        """Deals the teacher's neurons, strongest first, to the feed-forwards and fits each on the real state."""
        full_middle = middle @ self.project.T if self.project.shape[0] != self.project.shape[1] else middle
        before = self.teacher.intermediate.dense(full_middle)
        after = self.teacher.intermediate.intermediate_act_fn(before)
        down = to_inner @ self.project.T @ self.teacher.output.dense.weight
        order = (after.pow(2).mean(0).sqrt() * down.norm(dim=0)).argsort(descending=True)
        stacked = self.layer.stacked()
        for position, (up, out) in enumerate(stacked):
            width = up.dense.out_features
            chosen = order[position :: len(stacked)][:width]
            weight, bias = regress(h, before[:, chosen])
            up.dense.weight[: len(chosen)] = weight
            up.dense.bias[: len(chosen)] = bias
            neurons = up(h)
            weight, bias = regress(neurons, after[:, chosen] @ down[:, chosen].T, ridge=1e-2)
            out.dense.weight.copy_(weight)
            out.dense.bias.copy_(bias)
            h = h + neurons @ weight.T + bias
        return h

    def _way_out(self, h: Tensor, target: Tensor) -> None:
        """Output bottleneck and the share gamma of the block's input that each channel keeps."""
        way_out = self.layer.output.bottleneck
        from_x, x_bias = regress(h, self.x)
        from_y, y_bias = regress(h, target)
        x_rest = self.x - h @ from_x.T - x_bias
        y_rest = target - h @ from_y.T - y_bias
        gamma = ((x_rest * y_rest).sum(0) / x_rest.pow(2).sum(0).clamp_min(1e-6)).clamp(0.3, 1.5)
        if isinstance(way_out.LayerNorm, NoNorm):
            way_out.LayerNorm.weight.copy_(gamma)
        else:
            gamma = torch.ones_like(gamma)
        weight, bias = regress(h, target / gamma - self.x)
        way_out.dense.weight.copy_(weight)
        way_out.dense.bias.copy_(bias)


def start_embeddings(
    student: MobileBertClassifier, base: Any, batches: Sequence[Batch], target: Tensor, frequencies: Tensor
) -> list[Tensor]:
    """Word table by SVD of the teacher's rows, the rest by regression on the teacher's embedding output."""
    own = student.mobilebert.embeddings
    source = base.embeddings
    rows = source.word_embeddings.weight
    normed = source.LayerNorm(rows + source.position_embeddings.weight.mean(0))
    mean = (normed * frequencies[:, None]).sum(0) / frequencies.sum()
    weighted = (normed - mean) * frequencies.sqrt()[:, None]
    directions = torch.linalg.svd(weighted, full_matrices=False).Vh[: student.config.embedding_size]
    own.word_embeddings.weight.copy_((normed - mean) @ directions.T)
    own.word_embeddings.weight[own.word_embeddings.padding_idx].zero_()
    own.position_embeddings.weight.zero_()
    own.token_type_embeddings.weight.zero_()
    own.embedding_transformation.weight.zero_()
    own.embedding_transformation.bias.zero_()
    size = student.config.embedding_size
    real = [b.attention_mask.bool() for b in batches]
    words = torch.cat([own.word_embeddings(b.input_ids)[m] for b, m in zip(batches, real, strict=True)])
    places = torch.cat([m.nonzero()[:, 1] for m in real])
    positions = source.position_embeddings.weight[: student.config.max_positions]
    positions = positions - positions[: int(places.max()) + 1].mean(0)
    # Token types are told apart where the texts have two: one more column, which is 1 for the second type.
    types = torch.cat([b.token_type_ids[m] for b, m in zip(batches, real, strict=True)])[:, None].float()
    columns = [words, positions[places], *([types] if types.any() else [])]
    weight, bias = regress(torch.cat(columns, 1), target)
    if types.any():
        own.token_type_embeddings.weight[1] = weight[:, -1]
        weight = weight[:, :-1]
    own.embedding_transformation.weight[:, size : 2 * size] = weight[:, :size]
    own.embedding_transformation.bias.copy_(bias)
    own.position_embeddings.weight[: len(positions)] = positions @ weight[:, size:].T
    return [own(b.input_ids, b.token_type_ids) for b in batches]


def word_frequencies(batches: Sequence[Batch], size: int) -> Tensor:
    """How often each row of a table of `size` words is used, [size], never quite zero."""
    counts = torch.zeros(size)
    for batch in batches:
        counts += torch.bincount(batch.input_ids[batch.attention_mask.bool()], minlength=size)
    return counts + 0.1  # words the sentences do not hold must not vanish


def _set(linear: nn.Linear, weight: Tensor, minus: Tensor) -> None:
    linear.weight.copy_(weight)
    linear.bias.copy_(weight @ minus)
