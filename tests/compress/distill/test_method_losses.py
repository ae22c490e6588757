"""The losses of the published methods, each against a closed form worked out by hand."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from penjing.compress.distill.losses import (
    cosine_loss,
    masked_softmax,
    patient_loss,
    relation_loss,
    scores_loss,
    states_loss,
    statistics_loss,
)  # fmt: skip

ONES = torch.ones(1, 2)


def test_statistics_are_weighed_as_in_the_official_code() -> None:
    student, teacher = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[0.0, 0.0]]])  # mean 2 and 0, variance 1 and 0
    assert math.isclose(statistics_loss(student, teacher, torch.ones(1, 1)).item(), 50 * 4 + 0.05 * 1, rel_tol=1e-5)


def test_statistics_are_those_of_the_token_at_hand_and_not_of_all_layers() -> None:
    states = torch.randn(2, 3, 8)
    assert statistics_loss(states, states.flip(-1), torch.ones(2, 3)).item() < 1e-8
    assert statistics_loss(states, states.flip(1), torch.ones(2, 3)).item() > 0.1


def test_scores_differ_by_their_square_and_padded_keys_and_queries_have_no_say() -> None:
    student, teacher = torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3)
    teacher[:, :, 2, :] = teacher[:, :, :, 2] = -1e4
    assert scores_loss(student, teacher, torch.tensor([[1, 1, 0]])).item() == 1.0


def test_scores_of_a_short_text_weigh_no_more_than_those_of_a_long_one() -> None:
    student = torch.randn(1, 2, 2, 2)
    padded = F.pad(student, (0, 3, 0, 3))
    teacher = torch.zeros(1, 2, 5, 5)
    mask = torch.tensor([[1, 1, 0, 0, 0]])
    assert torch.allclose(
        scores_loss(padded, teacher, mask), scores_loss(student, torch.zeros(1, 2, 2, 2), torch.ones(1, 2))
    )


def test_states_differ_by_the_mean_square_over_the_hidden_axis() -> None:
    student, teacher = torch.tensor([[[1.0, 2.0], [9.0, 9.0]]]), torch.zeros(1, 2, 2)
    assert states_loss(student, teacher, torch.tensor([[1, 0]])).item() == 2.5


def test_patience_compares_directions_alone() -> None:
    student, teacher = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.5, 0.0], [5.0, 0.0]])
    assert math.isclose(patient_loss(student, teacher).item(), (0 + 2) / 2, rel_tol=1e-6)


def test_the_cosine_loss_is_zero_for_a_scaled_state_and_two_for_its_opposite() -> None:
    states = torch.tensor([[[1.0, 2.0], [2.0, -1.0]]])
    assert cosine_loss(3 * states, states, ONES).item() < 1e-6
    assert math.isclose(cosine_loss(-states, states, ONES).item(), 2.0, rel_tol=1e-6)


def test_a_relation_is_the_kl_of_the_softmax_of_scaled_products() -> None:
    student, teacher = torch.zeros(1, 2, 4), torch.tensor([[[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]]])
    # One head of four: 4 / sqrt(4) on the diagonal, 0 beside it; the student's relation is even.
    p = math.exp(2) / (math.exp(2) + 1)
    expected = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    assert math.isclose(relation_loss(student, teacher, ONES, heads=1).item(), expected, rel_tol=1e-5)


def test_relations_of_other_widths_compare_by_relation_heads() -> None:
    torch.manual_seed(0)
    teacher = torch.randn(2, 5, 24)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    assert relation_loss(teacher, teacher, mask, heads=4).item() < 1e-6
    assert relation_loss(torch.randn(2, 5, 8), teacher, mask, heads=4).item() > 0.01


def test_a_relation_does_not_see_padding() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(1, 3, 8), torch.randn(1, 3, 8)
    mask = torch.tensor([[1, 1, 0]])
    short = relation_loss(student[:, :2], teacher[:, :2], mask[:, :2], heads=2)
    assert torch.allclose(relation_loss(student, teacher, mask, heads=2), short, atol=1e-6)


def test_the_masked_softmax_sums_to_one_over_real_keys() -> None:
    weights = masked_softmax(torch.randn(1, 2, 3, 3), torch.tensor([[1, 0, 1]]))
    assert torch.allclose(weights.sum(-1), torch.ones(1, 2, 3))
    assert weights[..., 1].max() == 0
