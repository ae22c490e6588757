"""MobileBERT's knowledge transfer (arXiv 2004.02984, sections 3.4 and 3.5) in its three strategies.

Auxiliary: feature maps, attention and logits together. Joint: first feature maps and attention of all layers together,
then the logits. Progressive: feature maps and attention layer by layer from the bottom, then the logits; while a layer
learns, those above and the embeddings stand still and those below move by a tenth of the rate, as in the official code.
With `statistics` the feature maps' means and variances are matched, too, of the layer at hand: the official code takes
the means of the whole list of layers. Left out: LAMB, and next-sentence prediction, which needs another corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...training import Rates, StepLoss
from ..alignment import Alignment, is_identity
from ..lessons import DistillSettings, Lessons, Taught, taught
from ..losses import attention_loss, feature_map_loss, statistics_loss
from ..method import TRANSFER, Method, Phase, transfer_plan
from ..teacher_cache import Needs
from .logits import task_phase

BELOW = 0.1
"""What is left of the rate of the layers that have had their turn."""
WARM_UP, LAST_RATE = 0.1, 0.9
"""Of each layer's turn: the share in which the rate rises, and what is left of it at the end."""


def layer_losses(
    layers: Any, lesson: Taught, settings: DistillSettings, alignment: Alignment, chosen: Sequence[int]
) -> Tensor:
    """Feature maps and attention of the `chosen` student layers, by the settings' weights, mean over all layers.

    `layers` is an EncoderOutput of the batch. Zero where nothing was kept of the teacher.
    """
    loss = torch.zeros((), device=lesson.mask.device)
    same_basis, count = is_identity(alignment.basis), len(alignment.hidden)
    for own in chosen if lesson.lesson.hidden else ():
        target = lesson.lesson.hidden[alignment.hidden[own]]
        target = target if same_basis else target @ alignment.basis.to(target.device)
        states = layers.hidden[own + 1].float()
        loss = loss + settings.feature_weight * feature_map_loss(states, target, lesson.mask) / count
        if settings.statistics:
            loss = loss + settings.feature_weight * statistics_loss(states, target, lesson.mask) / count
    for own in chosen if lesson.lesson.attention else ():
        weights, heads = lesson.lesson.attention[alignment.attention[own]], alignment.heads[own]
        weights = weights if heads is None else weights[:, list(heads)]
        scores = layers.scores[own].float()
        loss = loss + settings.attention_weight * attention_loss(scores, weights, lesson.mask) / count
    return loss


def transfer_loss(
    lessons: Lessons,
    settings: DistillSettings,
    alignment: Alignment,
    *,
    logits: bool = True,
    chosen: Sequence[int] | None = None,
) -> StepLoss:
    """Feature maps and attention of the `chosen` layers (None: all) and, if wanted, the logits."""
    chosen = range(len(alignment.hidden)) if chosen is None else chosen

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        lesson = taught(lessons, indices, model)
        batch = lesson.batch
        own, layers = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)
        learnt = layer_losses(layers, lesson, settings, alignment, chosen)
        if not logits:
            return learnt
        answers = batch.rows_of(own.float())
        said = lessons.goal.task.soft_loss(answers, lesson.lesson.logits, settings.temperature)
        return settings.logits_weight * said + learnt

    return step_loss


def rates_of_layer(current: int, count: int) -> Rates:
    """While layer `current` of `count` learns: 1 for it, BELOW for the layers below, 0 for all else."""
    layers = [f".encoder.layer.{index}." for index in range(count)]

    def rate(name: str) -> float:
        place = next((index for index, layer in enumerate(layers) if layer in f".{name}"), None)
        return 0.0 if place is None or place > current else 1.0 if place == current else BELOW

    return rate


def without_head(name: str) -> float:
    """The rates of a phase in which nothing is asked of the logits."""
    return 0.0 if name.startswith("classifier.") or ".pooler." in name else 1.0


def needs(settings: DistillSettings) -> Needs:
    """Of both strategies' transfer."""
    asked = settings.transfer_epochs > 0
    attention = asked and settings.attention_weight > 0
    return Needs(hidden=asked and settings.feature_weight > 0, attention="weights" if attention else "")


def _auxiliary(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    loss = transfer_loss(lessons, settings, alignment)
    first = Phase("transfer", TRANSFER, student, loss, transfer_plan(settings, seed))
    return first, task_phase(student, lessons, settings, seed)


def _joint(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    loss, plan = (
        transfer_loss(lessons, settings, alignment, logits=False),
        transfer_plan(settings, seed, keep_best=False),
    )
    first = Phase("transfer", TRANSFER, student, loss, plan, without_head)
    return first, task_phase(student, lessons, settings, seed)


def _progressive(
    student: Any, lessons: Lessons, settings: DistillSettings, alignment: Alignment, seed: int
) -> tuple[Phase, ...]:
    count = len(alignment.hidden)

    def turn(layer: int) -> Phase:
        loss = transfer_loss(lessons, settings, alignment, logits=False, chosen=(layer,))
        plan = transfer_plan(
            settings, seed + layer, epochs=settings.transfer_epochs / count, warmup=WARM_UP, last_rate=LAST_RATE,
            evaluations_per_epoch=1, keep_best=False,
        )  # fmt: skip
        return Phase(f"transfer-{layer}", TRANSFER, student, loss, plan, rates_of_layer(layer, count))

    return (*(turn(layer) for layer in range(count)), task_phase(student, lessons, settings, seed))


AUXILIARY = Method("mobilebert", needs, _auxiliary, answers_early=True)
JOINT = Method("mobilebert-joint", needs, _joint)
PROGRESSIVE = Method("mobilebert-progressive", needs, _progressive)
