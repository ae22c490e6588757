"""Expertise weights and the student's losses in closed form, each text's on its own."""

from __future__ import annotations

import math

import pytest
import torch

from penjing.compress.distill.meta.expertise import expertise_weights, gold_probabilities
from penjing.compress.distill.meta.student_losses import (
    attention_losses,
    decision_losses,
    mean_of_each,
    state_losses,
    transferable_losses,
    weighted_mean,
)


def test_the_probability_of_gold_is_that_of_each_texts_own_class() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]])
    assert gold_probabilities(logits, torch.tensor([0, 1])).tolist() == pytest.approx([0.75, 0.25])


def test_expertise_is_half_where_the_teacher_is_right_and_less_where_it_is_wrong() -> None:
    typical, odd = 0.8, -0.2
    found = expertise_weights(torch.tensor([typical, odd, typical, 0.0]), torch.tensor([1.0, 1.0, 0.0, 0.5]))
    wanted = [1.8 / 2, 0.8 / 2, 1.8 / (math.e + 1), 1 / (math.exp(0.25) + 1)]
    assert found.tolist() == pytest.approx(wanted)


def test_states_lose_their_mean_squared_difference_over_real_tokens() -> None:
    teacher = torch.zeros(2, 3, 2)
    student = torch.tensor([[[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]], [[2.0, 0.0]] * 3])
    losses = state_losses(student, teacher, torch.tensor([[1, 1, 0], [1, 1, 1]]))
    assert losses.tolist() == pytest.approx([(1 + 5) / 2, 2.0])


def test_attention_loses_over_heads_and_pairs_of_real_tokens() -> None:
    teacher, student = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    student[0, 0, 0, 1] = 2.0
    student[0, :, 2, :] = student[0, :, :, 2] = 50.0  # padding
    teacher[0, :, :, 2] = -1e4
    losses = attention_losses(student, teacher, torch.tensor([[1, 1, 0]]))
    assert losses.tolist() == pytest.approx([4.0 / (2 * 4)])  # two heads, four pairs


def test_decisions_lose_their_cross_entropy_times_the_squared_temperature() -> None:
    teacher, student = torch.tensor([[2 * math.log(3.0), 0.0]]), torch.tensor([[0.0, 2 * math.log(3.0)]])
    cross = -(0.75 * math.log(0.25) + 0.25 * math.log(0.75))
    assert decision_losses(student, teacher, temperature=2.0).tolist() == pytest.approx([4 * cross], rel=1e-5)


def test_decisions_lose_a_sum_over_classes_and_not_their_mean() -> None:
    assert decision_losses(torch.zeros(1, 5), torch.zeros(1, 5)).item() == pytest.approx(math.log(5))


def test_transferable_knowledge_loses_its_mean_squared_difference() -> None:
    losses = transferable_losses(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 4.0]]))
    assert losses.tolist() == pytest.approx([2.5, 8.0])


def test_a_texts_weight_changes_what_that_text_teaches_and_nothing_else() -> None:
    # With a mean over the batch first, as published code has it, both gradients would be scaled by both weights.
    student = torch.zeros(2, 3, 4, requires_grad=True)
    losses = state_losses(student, torch.ones(2, 3, 4), torch.ones(2, 3))
    plain, weighted = (
        torch.autograd.grad(weighted_mean(losses, torch.tensor(weights)), student, retain_graph=True)[0]
        for weights in ([1.0, 1.0], [0.25, 1.0])
    )
    assert torch.allclose(weighted[0], 0.25 * plain[0]) and torch.equal(weighted[1], plain[1])


def test_every_loss_works_on_a_batch_of_one() -> None:
    mask = torch.ones(1, 3)
    losses = [
        state_losses(torch.zeros(1, 3, 4), torch.ones(1, 3, 4), mask),
        attention_losses(torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3), mask),
        decision_losses(torch.zeros(1, 2), torch.zeros(1, 2)),
        transferable_losses(torch.zeros(1, 4), torch.ones(1, 4)),
        expertise_weights(torch.zeros(1), torch.ones(1)),
    ]
    assert [tuple(loss.shape) for loss in losses] == [(1,)] * 5


def test_a_text_with_nothing_to_compare_loses_nothing() -> None:
    assert mean_of_each(torch.full((2, 3), 7.0), torch.tensor([[0, 0, 0], [1, 0, 0]])).tolist() == [0.0, 7.0]
