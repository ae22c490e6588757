"""MobileBERT's own teacher, the inverted bottleneck (IB-BERT, arXiv 2004.02984, section 3.2), made of any BERT.

Its blocks speak the student's language: states as wide as the student's between them, as wide as the teacher's inside,
as many layers and heads as the student, so that the two agree layer by layer. IB-BERT was never published; here one
starts from a fine-tuned encoder almost in closed form, since queries, keys, values and feed-forwards are the encoder's
own, and only the ways in and out are regressions. What is left is distilled (`distill/student.py`). Left out: the
published pooler: the head reads [CLS] as the student's does, so that the student can take it over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ...runtime.errors import TrainingError
from ..tokens import Batch
from .closed_form import basis, layer_map, regress, trace_teacher
from .encoder import mask_to_scores
from .from_teacher import start_embeddings, word_frequencies
from .mobilebert import Layer, MobileBertClassifier, MobileBertConfig

LOUDNESS = 4.0
"""How many times larger than its input a block's own part is before the last norm, which forgets the scale."""


def inverted_config(student: MobileBertConfig, teacher: Any) -> MobileBertConfig:
    """Depth, heads, embeddings and states between blocks of `student`, the inside of `teacher` (a transformers config).

    Raises TrainingError when the student's heads do not divide the teacher's hidden size.
    """
    heads = student.layers[0].heads
    if teacher.hidden_size % heads:
        raise TrainingError(
            f"an inverted bottleneck has the student's {heads} heads, which do not divide the teacher's hidden size of"
            f" {teacher.hidden_size}: choose student.heads that do, such as the teacher's {teacher.num_attention_heads}"
        )
    return MobileBertConfig.uniform(
        len(student.layers), heads=heads, head_size=teacher.hidden_size // heads, feed_forwards=1,
        intermediate_size=teacher.intermediate_size, vocab_size=student.vocab_size, hidden_size=student.hidden_size,
        embedding_size=student.embedding_size, bottleneck_size=teacher.hidden_size, max_positions=student.max_positions,
        type_vocab_size=student.type_vocab_size, attention_input="block", norm="layer_norm", activation="gelu",
        layer_norm_eps=teacher.layer_norm_eps, pad_id=student.pad_id,
    )  # fmt: skip


@torch.no_grad()
def start_inverted(model: MobileBertClassifier, teacher: nn.Module, batches: Sequence[Batch]) -> Tensor:
    """Overwrites the weights of an inverted bottleneck; `teacher` is a transformers BERT classifier, in eval mode.

    Returns the projection from the teacher's hidden size to the states between blocks, [teacher hidden, hidden].
    """
    base: Any = teacher.base_model
    trace = trace_teacher(teacher, batches)
    project = basis(trace.hidden[-1], model.config.hidden_size)
    embeddings = model.mobilebert.embeddings
    frequencies = word_frequencies(batches, base.embeddings.word_embeddings.num_embeddings)
    target = trace.hidden[0] @ project
    scale, shift = _set_norm(embeddings.LayerNorm, base.embeddings.LayerNorm, target)
    start_embeddings(model, base, batches, (target - shift) / scale, frequencies)
    states = [embeddings(b.input_ids, b.token_type_ids) for b in batches]
    layers, norm = model.mobilebert.encoder.layers(), base.embeddings.LayerNorm
    targets = layer_map(len(layers), len(trace.middle))
    before = 0
    for layer, index in tqdm(list(zip(layers, targets, strict=True)), desc="inverted bottleneck", disable=None):
        source = base.encoder.layer[index]
        _copy_inside(layer, source, project)
        x = torch.cat([s[b.attention_mask.bool()] for s, b in zip(states, batches, strict=True)])
        _way_in(layer, norm, x, trace.hidden[before])
        _way_out(layer, source, x, trace.hidden[index + 1], trace.hidden[index + 1] @ project)
        scores = [mask_to_scores(b.attention_mask, torch.float32) for b in batches]
        states = [layer(s, m)[0] for s, m in zip(states, scores, strict=True)]
        norm, before = source.output.LayerNorm, index + 1
    read = torch.cat([batch.read_by_head(state) for batch, state in zip(batches, states, strict=True)])
    weight, bias = regress(read, trace.logits, ridge=0.1)
    model.classifier.weight.copy_(weight)
    model.classifier.bias.copy_(bias)
    return project


@torch.no_grad()
def take_over_ends(student: MobileBertClassifier, teacher: MobileBertClassifier) -> None:
    """Embeddings and head of the inverted bottleneck, which stand still in the progressive transfer (section 3.5).

    The norm behind the embeddings is the student's own where it has no statistics: then it takes scale and shift.
    """
    own, theirs = student.mobilebert.embeddings.state_dict(), teacher.mobilebert.embeddings.state_dict()
    if set(own) == set(theirs):
        student.mobilebert.embeddings.load_state_dict(theirs)
    student.classifier.load_state_dict(teacher.classifier.state_dict())


def _copy_inside(layer: Layer, source: Any, project: Tensor) -> None:
    """Attention and feed-forward as they are; what reads the states between blocks reads them through `project`."""
    attention, theirs = layer.attention.self, source.attention.self
    for own, linear in ((attention.query, theirs.query), (attention.key, theirs.key), (attention.value, theirs.value)):
        own.weight.copy_(linear.weight @ project)
        own.bias.copy_(linear.bias)
    layer.attention.output.load_state_dict(source.attention.output.state_dict())
    layer.intermediate.dense.load_state_dict(source.intermediate.dense.state_dict())
    layer.output.dense.load_state_dict(source.output.dense.state_dict())
    layer.output.LayerNorm.load_state_dict(source.output.LayerNorm.state_dict())


def _way_in(layer: Layer, norm: nn.LayerNorm, x: Tensor, target: Tensor) -> None:
    """The residual path: x [tokens, hidden] to what the teacher's layer read, `target`, which `norm` had put out."""
    own = layer.bottleneck.input
    own.LayerNorm.load_state_dict(norm.state_dict())
    weight, bias = regress(x, (target - norm.bias) / norm.weight)
    own.dense.weight.copy_(weight)
    own.dense.bias.copy_(bias)


def _way_out(layer: Layer, source: Any, x: Tensor, inner: Tensor, target: Tensor) -> None:
    """From the teacher's output `inner` to the block's `target` [tokens, hidden], the block's input `x` added."""
    own = layer.output.bottleneck
    scale, shift = _set_norm(own.LayerNorm, source.output.LayerNorm, target)
    weight, bias = regress(inner, LOUDNESS * (target - shift) / scale - x)
    own.dense.weight.copy_(weight)
    own.dense.bias.copy_(bias)


def _set_norm(own: Any, theirs: nn.LayerNorm, target: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift of `own`: the teacher's where sizes agree, else the spread and mean of `target`'s channels."""
    same = own.weight.shape == theirs.weight.shape
    scale, shift = (theirs.weight, theirs.bias) if same else (target.std(0), target.mean(0))
    own.weight.copy_(scale)
    own.bias.copy_(shift)
    return scale, shift
