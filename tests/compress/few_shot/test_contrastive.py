"""Contrastive prompts: pairs of one class together, pairs of two apart."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from penjing.compress.few_shot.contrastive import (
    DEFAULT_PATTERN,
    LOGIT_SCALE,
    circle_loss,
    contrastive_prompts,
    nearest_logits,
)
from penjing.compress.few_shot.patterns import read_pattern
from penjing.compress.few_shot.prompts import add_prompts, prompt_texts
from penjing.compress.masked_lm import open_masked_lm


def by_hand(features: torch.Tensor, labels: list[int], margin: float, scale: float) -> float:
    """Equation 6 of arXiv 2002.10857, pair by pair."""
    near = far = 0.0
    for i, j in itertools.combinations(range(len(labels)), 2):
        cosine = float(features[i] @ features[j])
        if labels[i] == labels[j]:
            near += math.exp(-scale * max(1 + margin - cosine, 0) * (cosine - (1 - margin)))
        else:
            far += math.exp(scale * max(cosine + margin, 0) * (cosine - margin))
    return math.log(1 + near * far)


def test_the_loss_is_the_published_one() -> None:
    torch.manual_seed(0)
    features, labels = F.normalize(torch.randn(6, 4, dtype=torch.float64), dim=1), [0, 1, 2, 1, 0, 0]
    for margin, scale in ((0.4, 4.0), (0.25, 10.0)):
        loss = circle_loss(features, torch.tensor(labels), margin, scale)
        assert float(loss) == pytest.approx(by_hand(features, labels, margin, scale), abs=1e-9)


def test_the_weights_of_pairs_have_no_gradient_and_far_pairs_pull_most() -> None:
    angles = torch.tensor([0.0, 1.2, 2.0], dtype=torch.float64, requires_grad=True)
    features = torch.stack([angles.cos(), angles.sin()], 1)
    circle_loss(features, torch.tensor([0, 0, 1]), 0.4, 2.0).backward()
    assert angles.grad is not None
    cosines = [math.cos(1.2), math.cos(2.0), math.cos(0.8)]
    pull_weight = 1.4 - cosines[0]
    push_weights = [max(cosine + 0.4, 0) for cosine in cosines[1:]]
    pull = -2.0 * pull_weight * (cosines[0] - 0.6)
    pushes = [2.0 * w * (cosine - 0.4) for w, cosine in zip(push_weights, cosines[1:], strict=True)]
    total = pull + math.log(sum(map(math.exp, pushes)))
    outer = 1 / (1 + math.exp(-total))
    shares = [math.exp(push) / sum(map(math.exp, pushes)) for push in pushes]
    # d cos(a - b) / d b = sin(a - b); the angle of the last text moves the two pairs of two classes alone.
    last = (
        outer
        * 2.0
        * sum(share * w * -math.sin(gap) for share, w, gap in zip(shares, push_weights, (2.0, 0.8), strict=True))
    )
    assert float(angles.grad[2]) == pytest.approx(last, abs=1e-9)


def test_a_batch_of_one_class_or_without_pairs_of_one_teaches_nothing() -> None:
    features = F.normalize(torch.randn(3, 4), dim=1).requires_grad_()
    for labels in ([0, 0, 0], [0, 1, 2]):
        loss = circle_loss(features, torch.tensor(labels))
        loss.backward()
        assert loss.item() == 0
        assert features.grad is not None and not features.grad.any()


def test_a_text_has_the_class_of_the_nearest_labelled_one() -> None:
    known = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.2]]), dim=1)
    asked = F.normalize(torch.tensor([[1.0, 0.3], [-0.9, 0.1]]), dim=1)
    logits = nearest_logits(asked, known, torch.tensor([0, 1, 0]), classes=2)
    assert logits.argmax(1).tolist() == [0, 0]
    assert torch.allclose(logits[:, 1], LOGIT_SCALE * asked @ known[1])
    assert torch.allclose(logits[:, 0], LOGIT_SCALE * (asked @ known[[0, 2]].T).amax(1))


def test_what_is_read_is_the_heads_transform_of_the_mask_of_length_1(tiny_encoder: Path) -> None:
    opened, pattern = open_masked_lm(str(tiny_encoder)), read_pattern(DEFAULT_PATTERN)
    batch, asked = prompt_texts(opened, pattern, ["a good film", "bad"], 16).batch([0, 1])
    add_prompts(opened.model, pattern.prompts)
    read = contrastive_prompts(2).read(opened.model, batch, asked)
    states = opened.model.bert(batch.input_ids, batch.attention_mask, batch.token_type_ids).last_hidden_state
    transformed = opened.model.cls["predictions"].transform(states[[0, 1], [6, 4]])
    assert torch.allclose(read, transformed / transformed.norm(dim=1, keepdim=True), atol=1e-6)
