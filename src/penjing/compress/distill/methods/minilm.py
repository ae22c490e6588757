"""MiniLM (Wang et al. 2020, arXiv 2002.10957) and MiniLMv2 (2021, arXiv 2012.15828): the last layer's self-attention.

The first matches the last layer's attention, head by head, and the relations of its values; the second the relations of
queries, of keys and of values in as many relation heads as the teacher has heads, so that the student's own may differ.
Then the task. The published students learn from one teacher layer on plain text: the last, but for large teachers, of
which an upper middle one is better. Left out: that choice, and teacher assistants, which are two runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from ...prune.units import layers_of
from ...training import StepLoss
from ..alignment import Alignment
from ..lessons import DistillSettings, Lessons, Taught, taught
from ..losses import attention_loss, masked_softmax, relation_loss
from ..method import TRANSFER, Method, Phase, transfer_plan
from ..teacher_cache import Needs
from ..teacher_states import PARTS, caught_projections, split_heads
from .logits import task_phase
from .mobilebert import without_head

LayerLoss = Callable[[Mapping[str, Tensor], Tensor, Taught, int], Tensor]


def attention_and_values(own: Mapping[str, Tensor], scores: Tensor, lesson: Taught, heads: int) -> Tensor:
    """MiniLM's: KL of the last layer's attention, and of the relations of its values, both head by head.

    `own` are the student's projections by name [batch, sequence, width], `scores` those of its last layer.
    """
    query, key, value = lesson.lesson.relations
    query, key = split_heads(query, heads), split_heads(key, heads)
    wanted = masked_softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), lesson.mask)
    return attention_loss(scores, wanted, lesson.mask) + relation_loss(own["value"], value, lesson.mask, heads)


def all_relations(own: Mapping[str, Tensor], _scores: Tensor, lesson: Taught, heads: int) -> Tensor:
    """MiniLMv2's: the mean of the losses of the three relations."""
    pairs = zip(PARTS, lesson.lesson.relations, strict=True)
    losses = [relation_loss(own[part], target, lesson.mask, heads) for part, target in pairs]
    return (losses[0] + losses[1] + losses[2]) / len(losses)


def last_layer_loss(student: Any, lessons: Lessons, layer_loss: LayerLoss) -> StepLoss:
    """Of the student's last layer."""
    attention, heads = layers_of(student)[-1].attention.self, lessons.outputs.heads

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        lesson = taught(lessons, indices, model)
        batch = lesson.batch
        with caught_projections([attention]) as found:
            _, layers = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
        own = {part: states.float() for part, states in found[0].items()}
        return layer_loss(own, layers.scores[-1].float(), lesson, heads)

    return step_loss


def _phases(
    layer_loss: LayerLoss, student: Any, lessons: Lessons, settings: DistillSettings, _: Alignment, seed: int
) -> tuple[Phase, ...]:
    loss, plan = last_layer_loss(student, lessons, layer_loss), transfer_plan(settings, seed, keep_best=False)
    first = Phase("transfer", TRANSFER, student, loss, plan, without_head)
    return first, task_phase(student, lessons, settings, seed)


def _needs(settings: DistillSettings) -> Needs:
    return Needs(relations=settings.transfer_epochs > 0)


FIRST = Method("minilm", _needs, partial(_phases, attention_and_values), asks="last layer", by_head=True)
SECOND = Method("minilmv2", _needs, partial(_phases, all_relations), asks="last layer")
