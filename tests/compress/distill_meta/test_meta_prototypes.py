"""Prototypes and instance weights against vectors that were worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from penjing.compress.distill.meta.prototypes import (
    Prototypes,
    embed_texts,
    instance_weights,
    make_prototypes,
    mean_of_tokens,
)
from penjing.compress.distill.meta.teacher import typicality
from penjing.compress.teacher import load_encoder
from penjing.compress.tokens import tokenize

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def weights_of(embeddings: list[list[float]], labels: list[int], domains: list[int]) -> Tensor:
    e, y, k = torch.tensor(embeddings), torch.tensor(labels), torch.tensor(domains)
    return instance_weights(e, y, k, make_prototypes(e, y, k, count=(max(domains) + 1, max(labels) + 1)))


def test_an_embedding_is_the_mean_of_the_real_tokens_after_the_first() -> None:
    states = torch.tensor([[[9.0, 9.0], [1.0, 2.0], [3.0, 4.0], [50.0, 50.0]]])
    assert mean_of_tokens(states, torch.tensor([[1, 1, 1, 0]])).tolist() == [[2.0, 3.0]]


def test_a_text_of_one_token_has_the_embedding_zero_and_not_nan() -> None:
    assert mean_of_tokens(torch.ones(1, 1, 2), torch.ones(1, 1)).tolist() == [[0.0, 0.0]]


def test_a_prototype_is_the_mean_of_one_class_in_one_domain() -> None:
    e = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 5.0], [7.0, 0.0]])
    found = make_prototypes(e, torch.tensor([0, 0, 1, 0]), torch.tensor([0, 0, 0, 1]), count=(2, 2))
    assert found.means.tolist() == [[[2.0, 1.0], [5.0, 5.0]], [[7.0, 0.0], [0.0, 0.0]]]
    assert found.present.tolist() == [[True, True], [True, False]]


def test_a_weight_is_half_the_cosine_at_home_and_half_that_elsewhere() -> None:
    # Each domain has one text of the class: at home the cosine is 1, elsewhere that of a right angle, 0.
    assert weights_of([EAST, NORTH], [0, 0], [0, 1]).tolist() == pytest.approx([0.5, 0.5])
    diagonal = math.cos(math.pi / 4)
    assert weights_of([EAST, [2.0, 2.0]], [0, 0], [0, 1])[0].item() == pytest.approx(0.5 + 0.5 * diagonal)


def test_elsewhere_is_the_mean_of_the_other_domains_prototypes_and_not_of_all() -> None:
    found = weights_of([EAST, NORTH, EAST], [0, 0, 0], [0, 1, 2])
    # For the first text the other two prototypes' mean is (1/2, 1/2).
    assert found.tolist() == pytest.approx([0.5 + 0.5 * math.cos(math.pi / 4), 0.5, 0.5 + 0.5 * math.cos(math.pi / 4)])


def test_prototypes_are_of_the_texts_own_class() -> None:
    # Published code takes a domain's centre over all classes, which would make all four weights equal.
    found = weights_of([EAST, NORTH, EAST, [0.0, -1.0]], [0, 1, 0, 1], [0, 0, 1, 1])
    assert found.tolist() == pytest.approx([1.0, 0.0, 1.0, 0.0])


def test_a_domain_that_lacks_the_class_does_not_count_as_a_prototype_of_zero() -> None:
    prototypes = Prototypes(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]), torch.tensor([[1], [1], [0]]) > 0)
    found = instance_weights(torch.tensor([[0.0, 1.0]]), torch.tensor([0]), torch.tensor([0]), prototypes)
    assert found.item() == pytest.approx(0.5)


def test_a_class_of_one_domain_alone_is_judged_at_home() -> None:
    assert weights_of([EAST, [1.0, 1.0], NORTH], [0, 0, 1], [0, 0, 1])[2].item() == pytest.approx(1.0)


def test_there_may_be_any_number_of_domains_and_classes() -> None:
    torch.manual_seed(0)
    domains, labels = torch.arange(35) % 7, torch.arange(35) % 5
    e = torch.randn(35, 6)
    found = instance_weights(e, labels, domains, make_prototypes(e, labels, domains, count=(7, 5)))
    assert found.shape == (35,) and bool((found.abs() <= 1).all())


def test_an_embedding_does_not_depend_on_the_texts_beside_it(tiny_encoder: Path) -> None:
    encoder, _ = load_encoder(str(tiny_encoder), ("bad", "good"), 16)
    texts = ("good film", "a very very very very dull plot")
    together = embed_texts(encoder, tokenize(texts, tiny_encoder, 16))
    alone = [embed_texts(encoder, tokenize((text,), tiny_encoder, 16)) for text in texts]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_texts_are_embedded_without_dropout(tiny_encoder: Path) -> None:
    encoder, _ = load_encoder(str(tiny_encoder), ("bad", "good"), 16)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    tokens = tokenize(("good film", "bad film", "fine plot", "poor plot"), tiny_encoder, 16)
    gold, homes = torch.tensor([1, 0, 1, 0]), torch.tensor([0, 0, 1, 1])
    first, second = (typicality(encoder.train(), tokens, gold, homes, count=(2, 2)) for _ in range(2))
    assert torch.equal(first, second)
