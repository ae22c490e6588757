"""SimCSE's loss against its closed forms, and the pitfalls that cost others their result."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from penjing.compress.embedding.contrastive import contrastive_loss

TEMPERATURE = 0.05


def written_out(
    anchors: Tensor, positives: Tensor, negatives: Tensor | None = None, alpha: float = 1.0, tau: float = TEMPERATURE
) -> float:
    """Equation 5 (or 4, without negatives), a sum at a time."""

    def sim(a: Tensor, b: Tensor) -> float:
        return float(a @ b / (a.norm() * b.norm()))

    total = 0.0
    for i in range(len(anchors)):
        below = sum(math.exp(sim(anchors[i], positives[j]) / tau) for j in range(len(anchors)))
        if negatives is not None:
            for j in range(len(anchors)):
                weight = alpha if i == j else 1.0
                below += weight * math.exp(sim(anchors[i], negatives[j]) / tau)
        total -= math.log(math.exp(sim(anchors[i], positives[i]) / tau) / below)
    return total / len(anchors)


@pytest.fixture
def views() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    anchors, positives, negatives = torch.randn(3, 5, 8).unbind(0)
    return anchors, positives, negatives


def test_two_orthogonal_texts_have_the_loss_of_the_formula() -> None:
    views = torch.eye(2)
    expected = math.log(1 + math.exp(-1 / 0.2))
    assert contrastive_loss(views, views, temperature=0.2).item() == pytest.approx(expected, rel=1e-4)
    assert contrastive_loss(views, views, temperature=1.0).item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)


def test_a_batch_of_texts_that_are_all_alike_costs_the_log_of_its_size() -> None:
    same = torch.ones(7, 4)
    assert contrastive_loss(same, same).item() == pytest.approx(math.log(7), rel=1e-6)


def test_without_negatives_it_is_equation_four(views: tuple[Tensor, Tensor, Tensor]) -> None:
    anchors, positives, _ = views
    assert contrastive_loss(anchors, positives).item() == pytest.approx(written_out(anchors, positives), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
def test_the_hard_negative_weight_is_log_alpha_on_the_diagonal_alone(
    views: tuple[Tensor, Tensor, Tensor], alpha: float
) -> None:
    anchors, positives, negatives = views
    found = contrastive_loss(anchors, positives, negatives=negatives, hard_negative_weight=math.log(alpha))
    assert found.item() == pytest.approx(written_out(anchors, positives, negatives, alpha), rel=1e-5)


def test_a_weight_on_every_negative_would_be_another_loss(views: tuple[Tensor, Tensor, Tensor]) -> None:
    anchors, positives, _ = views
    negatives = positives.roll(1, 0)  # hard for another text than their own: there a weight off the diagonal shows
    weighed = contrastive_loss(anchors, positives, negatives=negatives, hard_negative_weight=math.log(50.0))
    own = anchors / anchors.norm(dim=1, keepdim=True)
    all_weighed = torch.cat([positives, negatives])
    logits = own @ (all_weighed / all_weighed.norm(dim=1, keepdim=True)).T / TEMPERATURE
    logits[:, 5:] += math.log(50.0)
    wrong = torch.nn.functional.cross_entropy(logits, torch.arange(5))
    assert abs(wrong.item() - weighed.item()) > 0.5


def test_length_has_no_say(views: tuple[Tensor, Tensor, Tensor]) -> None:
    anchors, positives, negatives = views
    one = contrastive_loss(anchors, positives, negatives=negatives)
    other = contrastive_loss(anchors * 3, positives * 0.1, negatives=negatives * 7)
    assert one.item() == pytest.approx(other.item(), rel=1e-5)


def test_its_gradient_pulls_a_text_to_its_positive_and_off_its_negative() -> None:
    anchors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    positives = torch.tensor([[1.0, 0.4, 0.0], [0.0, 0.0, 1.0]])
    negatives = torch.tensor([[1.0, -0.4, 0.0], [0.0, 1.0, 0.0]])
    contrastive_loss(anchors, positives, negatives=negatives).backward()  # type: ignore[no-untyped-call]
    assert anchors.grad is not None and anchors.grad[0, 1] < 0
