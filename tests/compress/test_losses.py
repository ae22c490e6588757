"""Each loss against a closed form worked out by hand."""

from __future__ import annotations

import math

import torch

from penjing.compress.distill.losses import attention_loss, feature_map_loss, logits_loss, masked_mean


def test_logits_loss_is_the_kl_divergence_of_two_coins() -> None:
    teacher, student = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([[0.0, 0.0]])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert math.isclose(logits_loss(student, teacher).item(), expected, rel_tol=1e-5)


def test_logits_loss_is_scaled_by_the_squared_temperature() -> None:
    teacher, student = torch.tensor([[2 * math.log(3.0), 0.0]]), torch.tensor([[0.0, 0.0]])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert math.isclose(logits_loss(student, teacher, temperature=2.0).item(), 4 * expected, rel_tol=1e-5)


def test_logits_loss_is_a_mean_over_the_batch_not_over_classes() -> None:
    teacher, student = torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1, 3)
    twice = logits_loss(student.repeat(2, 1), teacher.repeat(2, 1))
    assert math.isclose(twice.item(), logits_loss(student, teacher).item(), rel_tol=1e-6)


def test_feature_maps_that_differ_by_scale_and_shift_are_equal() -> None:
    states = torch.randn(2, 3, 8)
    assert feature_map_loss(states * 5 + 2, states, torch.ones(2, 3)).item() < 1e-6


def test_opposite_feature_maps_lose_four_times_their_variance() -> None:
    states = torch.tensor([[[1.0, -1.0]]])  # normalised: (1, -1); its negative differs by 2 in each place
    assert math.isclose(feature_map_loss(-states, states, torch.ones(1, 1)).item(), 4.0, rel_tol=1e-3)


def test_padding_is_left_out_of_the_feature_maps() -> None:
    teacher, student = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    mask = torch.tensor([[1, 1, 0, 0]])
    short = feature_map_loss(student[:, :2], teacher[:, :2], mask[:, :2])
    assert torch.allclose(feature_map_loss(student, teacher, mask), short)


def test_attention_loss_is_the_kl_divergence_of_each_row() -> None:
    scores = torch.zeros(1, 1, 2, 2)
    weights = torch.tensor([[[[0.75, 0.25], [0.5, 0.5]]]])
    expected = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert math.isclose(attention_loss(scores, weights, torch.ones(1, 2)).item(), expected, rel_tol=1e-5)


def test_padding_is_left_out_of_the_attention() -> None:
    torch.manual_seed(0)
    scores, mask = torch.randn(1, 2, 4, 4), torch.tensor([[1, 1, 1, 0]])
    weights = torch.zeros(1, 2, 4, 4)
    weights[:, :, :3, :3] = torch.randn(1, 2, 3, 3).softmax(-1)
    short = attention_loss(scores[:, :, :3, :3], weights[:, :, :3, :3], mask[:, :3])
    assert torch.allclose(attention_loss(scores, weights, mask), short, atol=1e-6)


def test_attention_of_unequal_heads_is_compared_by_its_mean() -> None:
    weights = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]])  # two heads whose mean is even
    assert attention_loss(torch.zeros(1, 1, 2, 2), weights, torch.ones(1, 2)).item() < 1e-5


def test_a_masked_mean_counts_only_what_the_mask_keeps() -> None:
    assert masked_mean(torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[1, 1, 0]])).item() == 2.0
