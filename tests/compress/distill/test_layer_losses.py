"""What each method's phase over the layers adds up, by hand, from the student's own layers and the teacher's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from school import SHAPE, School
from torch import Tensor, nn
from torch.nn import functional as F

from penjing.compress.distill.lessons import Taught, taught
from penjing.compress.distill.losses import cosine_loss, statistics_loss
from penjing.compress.distill.methods.distilbert import triple_loss
from penjing.compress.distill.methods.logits import task_loss
from penjing.compress.distill.methods.minilm import all_relations, attention_and_values
from penjing.compress.distill.methods.mobilebert import transfer_loss
from penjing.compress.distill.methods.patient import patient_task_loss
from penjing.compress.distill.methods.tinybert import Projected, intermediate_loss
from penjing.compress.distill.student import start_student
from penjing.pipeline.sections import Distill

TEXTS = [1, 7, 30]
SETTINGS = Distill(feature_weight=0.5, attention_weight=2.0)


@pytest.fixture(scope="module")
def started(school: School) -> tuple[Any, Any]:
    student, alignment = start_student(SHAPE, school.teacher, school.lessons, 1)
    return student.eval(), alignment


@pytest.fixture(scope="module")
def lesson(school: School, started: tuple[Any, Any]) -> Taught:
    found = taught(school.lessons, TEXTS, started[0])
    assert found.mask.min() == 0, "texts of one length would hide what padding does"
    return found


def seen(student: nn.Module, lesson: Taught) -> Any:
    """The student's layers on the texts."""
    batch = lesson.batch
    with torch.no_grad():
        return student(batch.input_ids, batch.attention_mask, batch.token_type_ids, with_layers=True)[1]


def over_tokens(values: Tensor, lesson: Taught) -> Tensor:
    """Mean over all real tokens of the batch, [batch, sequence]."""
    return values[lesson.mask.bool()].mean()


def divergence(scores: Tensor, weights: Tensor, lesson: Taught) -> Tensor:
    """KL of the teacher's attention and the student's, text by text without padding, mean over heads and queries."""
    found = []
    for row, count in enumerate(lesson.mask.sum(1).tolist()):
        p = weights[row, :, :count, :count].clamp_min(1e-9)
        q = scores[row, :, :count, :count].softmax(-1)
        found.append((p * (p / q).log()).sum(-1).mean(0))
    return torch.cat(found).mean()


def test_tinyberts_is_the_sum_over_embeddings_and_layers(
    school: School, started: tuple[Any, Any], lesson: Taught
) -> None:
    student, alignment = started
    torch.manual_seed(0)
    projected = Projected(student, len(alignment.basis)).eval()
    layers, told = seen(student, lesson), lesson.lesson
    targets = (told.embeddings[0], *told.hidden)
    assert len(targets) == len(layers.hidden) == 3
    with torch.no_grad():
        states = sum(
            over_tokens((projected.fit_dense(own) - target).square().mean(-1), lesson)
            for own, target in zip(layers.hidden, targets, strict=True)
        )
        pairs = (lesson.mask[:, None, :, None] * lesson.mask[:, None, None, :]).bool().expand_as(layers.scores[0])
        scores = sum(
            (own - target).square()[pairs].mean() for own, target in zip(layers.scores, told.scores, strict=True)
        )
        loss = intermediate_loss(school.lessons, SETTINGS, alignment)(projected, TEXTS)
    assert loss.item() == pytest.approx(float(0.5 * states + 2 * scores), rel=1e-3)


@pytest.mark.parametrize("statistics", [False, True])
def test_mobileberts_is_the_mean_over_layers_beside_the_logits(
    school: School, started: tuple[Any, Any], lesson: Taught, statistics: bool
) -> None:
    student, alignment = started
    settings = SETTINGS.model_copy(update={"statistics": statistics, "logits_weight": 3.0})
    layers, told, terms = seen(student, lesson), lesson.lesson, []
    for own, target in zip(layers.hidden[1:], told.hidden, strict=True):
        wanted = target @ alignment.basis
        difference = F.layer_norm(own, (32,)) - F.layer_norm(wanted, (32,))
        term = over_tokens(difference.square().mean(-1), lesson)
        if statistics:
            means = (own.mean(-1) - wanted.mean(-1)).square()
            variances = (own.var(-1, correction=0) - wanted.var(-1, correction=0)).abs()
            term = term + over_tokens(50 * means + 0.05 * variances, lesson)
        terms.append(0.5 * term)
    terms += [2 * divergence(own, target, lesson) for own, target in zip(layers.scores, told.attention, strict=True)]
    answer = task_loss(school.lessons, settings)
    with torch.no_grad():
        wanted = torch.stack(terms).sum() / 2 + answer(student, TEXTS)
        loss = transfer_loss(school.lessons, settings, alignment)(student, TEXTS)
    assert loss.item() == pytest.approx(float(wanted), rel=1e-3)


def test_patience_is_the_mean_over_the_layers_below_the_last(
    school: School, started: tuple[Any, Any], lesson: Taught
) -> None:
    student, alignment = started
    own, target = seen(student, lesson).hidden[1][:, 0], (lesson.lesson.hidden[0] @ alignment.basis)[:, 0]
    difference = own / own.norm(dim=-1, keepdim=True) - target / target.norm(dim=-1, keepdim=True)
    with torch.no_grad():
        wanted = task_loss(school.lessons, SETTINGS)(student, TEXTS) + 0.5 * difference.square().sum(-1).mean()
        loss = patient_task_loss(school.lessons, SETTINGS, alignment)(student, TEXTS)
    assert loss.item() == pytest.approx(float(wanted), rel=1e-3)


def test_distilberts_are_answers_and_the_direction_of_the_last_states(
    school: School, started: tuple[Any, Any], lesson: Taught
) -> None:
    student, alignment = started
    own, target = seen(student, lesson).hidden[-1], lesson.lesson.hidden[-1] @ alignment.basis
    cosine = (own * target).sum(-1) / (own.norm(dim=-1) * target.norm(dim=-1))
    with torch.no_grad():
        wanted = task_loss(school.lessons, SETTINGS)(student, TEXTS) + 0.5 * over_tokens(1 - cosine, lesson)
        loss = triple_loss(school.lessons, SETTINGS, alignment)(student, TEXTS)
    assert loss.item() == pytest.approx(float(wanted), rel=1e-3)


def own_projections(lesson: Taught) -> dict[str, Tensor]:
    """Those of a student that projects as its teacher does."""
    return dict(zip(("query", "key", "value"), lesson.lesson.relations, strict=True))


def teachers_scores(lesson: Taught, heads: int) -> Tensor:
    query, key, _ = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in lesson.lesson.relations)
    return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])


def relation(x: Tensor, heads: int) -> Tensor:
    """Scaled products of every token with the others, before the softmax."""
    parts = x.unflatten(-1, (heads, -1)).transpose(1, 2)
    return parts @ parts.transpose(-1, -2) / math.sqrt(parts.shape[-1])


def test_minilms_are_attention_and_values_of_the_last_layer(lesson: Taught) -> None:
    own, scores = own_projections(lesson), teachers_scores(lesson, 4)
    assert attention_and_values(own, scores, lesson, 4).item() == pytest.approx(0, abs=1e-5)
    torch.manual_seed(0)
    other = own["value"] + torch.randn_like(own["value"])
    wanted = divergence(relation(other, 4), masked(relation(own["value"], 4), lesson), lesson)
    assert attention_and_values({**own, "value": other}, scores, lesson, 4).item() == pytest.approx(
        wanted.item(), rel=1e-3
    )
    moved = {**own, "query": other, "key": other}  # which the scores hold already
    assert attention_and_values(moved, scores, lesson, 4).item() == pytest.approx(0, abs=1e-5)


def test_minilmv2s_is_the_mean_of_three_relations(lesson: Taught) -> None:
    own = own_projections(lesson)
    torch.manual_seed(0)
    other = {part: states + torch.randn_like(states) for part, states in own.items()}
    each = [divergence(relation(other[p], 4), masked(relation(own[p], 4), lesson), lesson) for p in own]
    found = all_relations(other, torch.empty(0), lesson, 4)
    assert found.item() == pytest.approx(float(sum(each)) / 3, rel=1e-3)


def masked(scores: Tensor, lesson: Taught) -> Tensor:
    return scores.masked_fill(~lesson.mask.bool()[:, None, None, :], -1e9).softmax(-1)


def test_padding_has_no_say_in_statistics_and_directions() -> None:
    torch.manual_seed(0)
    student, teacher, mask = torch.randn(2, 4, 8), torch.randn(2, 4, 8), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    for loss in (statistics_loss, cosine_loss):
        before = loss(student, teacher, mask)
        changed = student.clone()
        changed[1, 2:] = 100.0
        assert torch.equal(loss(changed, teacher, mask), before)
        changed[1, 1] = 100.0
        assert not torch.equal(loss(changed, teacher, mask), before)
