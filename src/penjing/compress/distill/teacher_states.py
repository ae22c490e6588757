"""What a teacher computes on the way to its logits, and a student too: caught by hooks where it is not given out.

Left out: keeping it (`teacher_cache.py`). Works on encoders whose modules are named as BERT's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from ...runtime.errors import TrainingError
from ..prune.units import Encoder, layers_of
from ..teacher import teacher_inputs
from ..tokens import Batch
from .losses import masked_softmax

PARTS = ("query", "key", "value")


@dataclass(frozen=True)
class TeacherStates:
    """For one batch: logits [batch, labels]; of the asked layers `hidden` [batch, sequence, hidden], `attention` after
    and `scores` before the softmax [batch, heads, sequence, sequence]; `relations`, the last layer's queries, keys and
    values [batch, sequence, width]; `embeddings` [batch, sequence, hidden]."""

    logits: Tensor
    embeddings: Tensor
    hidden: tuple[Tensor, ...]
    attention: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]
    relations: tuple[Tensor, ...]


def teacher_states(
    teacher: Any,
    batch: Batch,
    layers: Sequence[int],
    *,
    attention: bool = True,
    scores: bool = False,
    relations: bool = False,
) -> TeacherStates:
    """Runs the teacher, a transformers classifier or one of our own; `attention`, `scores` and `relations` are empty
    unless asked for. Raises TrainingError when its attention is not built as BERT's.
    """
    if isinstance(teacher, Encoder):
        return _own_states(teacher, batch, layers, attention, relations)
    asked = sorted({*(layers if scores else ()), *((count_layers(teacher) - 1,) if relations else ())})
    with caught_projections([attention_of(teacher, layer) for layer in asked]) as caught:
        out = teacher(**teacher_inputs(teacher, batch), output_hidden_states=True, output_attentions=attention)
    by_layer, last = dict(zip(asked, caught, strict=True)), count_layers(teacher) - 1
    return TeacherStates(
        out.logits,
        out.hidden_states[0],
        tuple(out.hidden_states[layer + 1] for layer in layers),
        tuple(out.attentions[layer] for layer in layers) if attention else (),
        tuple(_scores(teacher, by_layer[layer]) for layer in layers) if scores else (),
        tuple(by_layer[last][part] for part in PARTS) if relations else (),
    )


@contextmanager
def caught_projections(attentions: Sequence[Any]) -> Iterator[list[dict[str, Tensor]]]:
    """Fills, for each self-attention, its query, key and value projections by name, [batch, sequence, width]."""
    found: list[dict[str, Tensor]] = [{} for _ in attentions]
    hooks = []
    for attention, own in zip(attentions, found, strict=True):
        for part in PARTS:
            module: nn.Module = getattr(attention, part)
            hooks.append(module.register_forward_hook(partial(_keep, own, part)))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def count_layers(teacher: Any) -> int:
    """Of a transformers classifier or one of our own."""
    own = isinstance(teacher, Encoder)
    return len(teacher.config.layers) if own else int(teacher.config.num_hidden_layers)


def count_heads(teacher: Any) -> int:
    """In each layer."""
    own = isinstance(teacher, Encoder)
    return teacher.config.layers[0].heads if own else int(teacher.config.num_attention_heads)


def _own_states(
    teacher: Encoder, batch: Batch, layers: Sequence[int], attention: bool, relations: bool
) -> TeacherStates:
    last = [layer.attention.self for layer in layers_of(teacher)[-1:]] if relations else []
    with caught_projections(last) as caught:
        logits, out = teacher(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
    chosen = tuple(out.scores[layer] for layer in layers)
    return TeacherStates(
        logits, out.hidden[0], tuple(out.hidden[layer + 1] for layer in layers),
        tuple(masked_softmax(scores.float(), batch.attention_mask) for scores in chosen if attention), chosen,
        tuple(caught[0][part] for part in PARTS) if relations else (),
    )  # fmt: skip


def attention_of(teacher: Any, layer: int) -> Any:
    """The self-attention of a layer; raises TrainingError where it has no queries, keys and values of its own."""
    try:
        attention = teacher.base_model.encoder.layer[layer].attention.self
        if all(hasattr(attention, part) for part in PARTS):
            return attention
    except AttributeError:
        pass
    raise TrainingError(
        f"the teacher is a {teacher.config.model_type} model, whose queries, keys and values cannot be reached: take"
        " one built as BERT, or a method that needs no attention scores and relations, such as mobilebert or logits"
    )


def _keep(found: dict[str, Tensor], part: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
    found[part] = output


def _scores(teacher: Any, projections: Mapping[str, Tensor]) -> Tensor:
    heads = count_heads(teacher)
    query, key = (split_heads(projections[part], heads) for part in ("query", "key"))
    scores: Tensor = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    return scores


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, sequence, width] -> [batch, heads, sequence, width / heads]."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
