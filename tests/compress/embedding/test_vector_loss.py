"""What a student of vectors learns: closed forms of both losses, vectors cut short, and the turn that makes it pay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from penjing.compress.embedding.matryoshka import turn
from penjing.compress.embedding.measures import unit
from penjing.compress.embedding.vector_loss import learning_loss, structure_loss, vector_loss


@dataclass(frozen=True)
class Weights:
    vector_weight: float = 1.0
    structure_weight: float = 1.0


def rotation(size: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.linalg.qr(torch.randn(size, size))[0]


def test_the_vector_loss_is_one_less_the_cosine_and_half_the_squared_distance() -> None:
    student, teacher = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert vector_loss(student, teacher).item() == pytest.approx((0.4 + 1.0) / 2)
    apart = torch.nn.functional.normalize(student) - torch.nn.functional.normalize(teacher)
    assert vector_loss(student, teacher).item() == pytest.approx(apart.square().sum(1).mean().item() / 2)


def test_the_structure_loss_compares_pairs_of_different_texts() -> None:
    student = torch.tensor([[1.0, 0.0], [0.6, 0.8]])  # a cosine of 0.6, the teacher says 0
    assert structure_loss(student, torch.eye(2)).item() == pytest.approx(0.36)
    assert structure_loss(student[:1], torch.eye(2)[:1]).item() == 0


def test_structure_is_the_same_after_a_turn_and_needs_no_equal_sizes() -> None:
    torch.manual_seed(0)
    teacher = torch.randn(6, 8)
    assert structure_loss(teacher @ rotation(8), teacher).item() == pytest.approx(0, abs=1e-10)
    wider = torch.cat([teacher, torch.zeros(6, 4)], dim=1)
    assert structure_loss(wider, teacher).item() == pytest.approx(0, abs=1e-10)


def test_cuts_are_learnt_as_much_as_the_whole() -> None:
    torch.manual_seed(0)
    student, target = torch.randn(5, 8), torch.randn(5, 8)
    sizes = (2, 4, 8)
    alone = [
        vector_loss(student[:, :size], target[:, :size]) + structure_loss(student[:, :size], target) for size in sizes
    ]
    found = learning_loss(student, target, target, Weights(), cuts=(2, 4))
    assert found.item() == pytest.approx(torch.stack(alone).mean().item())
    only = learning_loss(student, target, target, Weights(structure_weight=0))
    assert only.item() == pytest.approx(vector_loss(student, target).item())


def test_the_turn_keeps_every_cosine_and_puts_what_tells_most_first() -> None:
    source = np.random.default_rng(0)
    strengths = source.permutation(np.linspace(0.1, 3, 12))
    vectors = source.normal(size=(400, 12)) * strengths
    turned = vectors @ turn(vectors, 12, cuts=(4,))
    np.testing.assert_allclose(unit(turned) @ unit(turned).T, unit(vectors) @ unit(vectors).T, atol=1e-5)
    kept = (turned[:, :4] ** 2).sum() / (vectors**2).sum()
    best = np.linalg.svd(vectors, compute_uv=False) ** 2
    assert kept == pytest.approx(best[:4].sum() / best.sum(), rel=1e-4)


def test_nothing_is_turned_where_nothing_is_cut() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 6))
    np.testing.assert_array_equal(turn(vectors, 6), np.eye(6, dtype=np.float32))
    assert turn(vectors, 3).shape == (6, 3)
