"""What the last phase of a method asks of a student's answers, summed by hand: labelled texts and texts without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from school import SHAPE, School
from torch import Tensor
from torch.nn import functional as F

from penjing.compress.distill.lessons import Lessons
from penjing.compress.distill.methods.logits import labels_loss, task_loss
from penjing.compress.distill.methods.mean_squared_logits import squared_loss
from penjing.compress.distill.student import start_student
from penjing.pipeline.sections import Distill

LABELLED, CORPUS = [4, 11], [40, 41]
"""Texts of a batch of four; those from number 20 on carry no label here."""


@pytest.fixture(scope="module")
def lessons(school: School) -> Lessons:
    return replace(school.lessons, labels=school.lessons.labels[:20])


@pytest.fixture(scope="module")
def student(school: School) -> Any:
    return start_student(SHAPE, school.teacher, school.lessons, 1)[0].eval()


def answers(student: Any, lessons: Lessons, indices: list[int]) -> Tensor:
    batch = lessons.texts.batch(indices)
    with torch.no_grad():
        logits: Tensor = student(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    return logits


def gold_entropy(student: Any, lessons: Lessons) -> Tensor:
    """Of the labelled texts of the batch, by their share of it."""
    gold = torch.tensor([lessons.labels[i] for i in LABELLED])
    return 0.5 * F.cross_entropy(answers(student, lessons, LABELLED), gold)


def test_the_bilstms_loss_is_the_squared_distance_of_the_logits_as_they_are(student: Any, lessons: Lessons) -> None:
    indices = LABELLED + CORPUS
    distance = answers(student, lessons, indices) - torch.from_numpy(lessons.outputs.logits[indices])
    loss = squared_loss(lessons, Distill())(student, indices)
    assert loss.item() == pytest.approx(distance.square().mean().item(), rel=1e-4)
    # The same number beside every class leaves the probabilities as they are, which public code compares.
    shifted = replace(lessons, outputs=replace(lessons.outputs, logits=np.asarray(lessons.outputs.logits) + 2))
    more = squared_loss(shifted, Distill())(student, indices)
    assert more.item() == pytest.approx((distance - 2).square().mean().item(), rel=1e-4)


def test_the_gold_labels_join_by_their_weight_and_share(student: Any, lessons: Lessons) -> None:
    indices = LABELLED + CORPUS
    settings = Distill(label_weight=0.3, logits_weight=0.7)
    plain = squared_loss(lessons, Distill())(student, indices).item()
    wanted = 0.7 * plain + 0.3 * gold_entropy(student, lessons).item()
    assert squared_loss(lessons, settings)(student, indices).item() == pytest.approx(wanted, rel=1e-4)


def test_easynlps_form_is_alpha_of_the_softened_and_the_rest_of_the_gold_labels(student: Any, lessons: Lessons) -> None:
    indices, alpha, temperature = LABELLED + CORPUS, 0.2, 5.0
    own, taught = answers(student, lessons, indices), torch.from_numpy(lessons.outputs.logits[indices])
    p, q = (taught / temperature).softmax(-1), (own / temperature).softmax(-1)
    divergence = (p * (p / q).log()).sum(-1).mean()
    wanted = alpha * temperature**2 * divergence + (1 - alpha) * gold_entropy(student, lessons)
    settings = Distill(logits_weight=alpha, label_weight=1 - alpha, temperature=temperature)
    assert task_loss(lessons, settings)(student, indices).item() == pytest.approx(wanted.item(), rel=1e-3)


def test_texts_of_the_corpus_have_no_gold_label_and_none_is_asked_by_default(student: Any, lessons: Lessons) -> None:
    logits = answers(student, lessons, CORPUS)
    assert labels_loss(logits, lessons, 1.0, CORPUS).item() == 0
    assert labels_loss(answers(student, lessons, LABELLED), lessons, 1.0, LABELLED).item() > 0
    assert Distill().label_weight == 0
