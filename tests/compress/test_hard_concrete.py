"""The hard-concrete distribution against its closed forms and against many samples of itself."""

from __future__ import annotations

import math

import torch

from penjing.compress.prune.hard_concrete import expected_l0, gate, probability, sample

LOG_ALPHAS = torch.tensor([-4.6, -2.0, -0.5, 0.0, 0.7, 2.0, 4.6])
DRAWS = 40_000


def draws(log_alpha: torch.Tensor) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    return sample(log_alpha.expand(DRAWS, -1), source)


def test_the_expected_l0_is_the_mean_count_of_samples_above_zero_within_its_error() -> None:
    above = (draws(LOG_ALPHAS) > 0).double()
    chance = probability(LOG_ALPHAS).double()
    error = (chance * (1 - chance) / DRAWS).sqrt()
    assert ((above.mean(0) - chance).abs() < 4 * error).all()
    counts = above.sum(1)
    assert (counts.mean() - expected_l0(LOG_ALPHAS)).abs() < 4 * counts.std() / math.sqrt(DRAWS)


def test_at_log_alpha_zero_the_probability_is_eleven_to_the_two_thirds_against_one() -> None:
    odds = 11 ** (2 / 3)  # of the stretch, 1.1 to 0.1, at the temperature 2/3
    found = probability(torch.zeros(1)).item()
    assert math.isclose(found, odds / (1 + odds), rel_tol=1e-6)


def test_samples_stay_in_the_unit_interval_and_reach_both_ends_equally_often_at_zero() -> None:
    gates = draws(torch.zeros(1))
    assert gates.min() == 0 and gates.max() == 1
    closed, opened = (gates == 0).double().mean(), (gates == 1).double().mean()
    expected = 1 - probability(torch.zeros(1)).item()
    error = math.sqrt(expected * (1 - expected) / DRAWS)
    assert abs(closed - expected) < 4 * error and abs(opened - expected) < 4 * error


def test_extreme_log_alphas_give_finite_samples() -> None:
    gates = sample(torch.tensor([-1e4, 1e4]).expand(100, 2), torch.Generator().manual_seed(1))
    assert torch.equal(gates, torch.tensor([0.0, 1.0]).expand(100, 2))


def test_gradients_exist_where_the_gate_is_open_and_not_where_it_is_clamped() -> None:
    log_alpha = torch.zeros(1000, requires_grad=True)
    gates = sample(log_alpha, torch.Generator().manual_seed(2))
    (slope,) = torch.autograd.grad(gates.sum(), log_alpha)
    inside = (gates > 0) & (gates < 1)
    assert (slope[inside] > 0).all() and (slope[~inside] == 0).all() and inside.any()


def test_the_gradient_of_the_expected_l0_is_that_of_a_sigmoid() -> None:
    log_alpha = LOG_ALPHAS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(expected_l0(log_alpha), log_alpha)
    chance = probability(LOG_ALPHAS)
    assert torch.allclose(slope, chance * (1 - chance))


def test_a_generator_with_the_same_seed_gives_the_same_gates() -> None:
    first, second = (sample(LOG_ALPHAS, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)


def test_the_gate_at_inference_is_close_to_the_mean_sample_and_never_zero() -> None:
    assert (gate(LOG_ALPHAS) - draws(LOG_ALPHAS).mean(0)).abs().max() < 0.07
    assert gate(torch.tensor([-4.6])).item() > 0
