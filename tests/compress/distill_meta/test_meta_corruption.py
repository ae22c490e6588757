"""Domain corruption: z and its loss in closed form, shuffling, and a batch of one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from penjing.compress.distill.meta.corruption import (
    DomainPart,
    corruption_losses,
    load_domain_part,
    save_domain_part,
    shuffled,
)


def plain_part(domains: int = 3) -> DomainPart:
    """W is the identity, E_D(k) is k in every direction."""
    part = DomainPart(2, domains).eval()
    with torch.no_grad():
        part.dense.weight.copy_(torch.eye(2))
        part.dense.bias.zero_()
        part.embeddings.weight.copy_(torch.arange(float(domains))[:, None].expand(domains, 2))
    return part


def test_z_is_the_tanh_of_the_domains_row_and_the_mean_state() -> None:
    states = torch.tensor([[[9.0, 9.0], [0.2, 0.4], [0.4, 0.0], [7.0, 7.0]]])
    z = plain_part()(states, torch.tensor([[1, 1, 1, 0]]), torch.tensor([2]))
    assert z.tolist() == [pytest.approx([math.tanh(2.3), math.tanh(2.2)])]


def test_a_batch_of_one_keeps_its_axis() -> None:
    part = plain_part(5)
    assert part(torch.zeros(1, 4, 2), torch.ones(1, 4), torch.tensor([4])).shape == (1, 2)
    assert corruption_losses(torch.zeros(1, 5), shuffled(torch.tensor([4]))).shape == (1,)


def test_a_head_that_knows_nothing_loses_the_logarithm_of_the_domains() -> None:
    losses = corruption_losses(torch.zeros(3, 6), torch.tensor([0, 5, 2]))
    assert losses.tolist() == pytest.approx([math.log(6)] * 3)


def test_the_loss_is_that_of_the_shuffled_domain_one_a_text() -> None:
    sure = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]])
    assert corruption_losses(sure, torch.tensor([0, 1])).tolist() == pytest.approx([-math.log(0.75), -math.log(0.25)])


def test_shuffled_domains_are_the_batchs_own_and_torchs_seed_decides() -> None:
    domains = torch.arange(50) % 4
    torch.manual_seed(1)
    first = shuffled(domains)
    torch.manual_seed(1)
    assert torch.equal(first, shuffled(domains))
    assert not torch.equal(first, domains)
    assert torch.equal(first.sort().values, domains.sort().values)


def test_a_part_comes_back_from_disk_without_dropout(tmp_path: Path) -> None:
    part = DomainPart(8, 3).train()
    save_domain_part(part, tmp_path)
    again = load_domain_part(tmp_path)
    states, mask, domains = torch.randn(2, 5, 8), torch.ones(2, 5), torch.tensor([0, 2])
    assert torch.equal(again(states, mask, domains), part.eval()(states, mask, domains))
