"""Rank correlation, alignment, uniformity and neighbours against closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from penjing.compress.embedding.measures import (
    alignment,
    cosines,
    nearest_of,
    spearman,
    spearman_interval,
    uniformity,
    unit,
)


def test_alignment_is_the_mean_squared_distance_at_length_one() -> None:
    first, second = np.array([[2.0, 0.0], [0.0, 5.0]]), np.array([[0.0, 1.0], [0.0, 3.0]])
    assert alignment(first, second) == pytest.approx((2 + 0) / 2)
    assert alignment(first, -first) == pytest.approx(4)


def test_uniformity_of_four_corners_is_the_formula() -> None:
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    expected = math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6)
    assert uniformity(corners) == pytest.approx(expected)
    assert uniformity(np.ones((5, 3))) == pytest.approx(0)


def test_a_cosine_of_a_zero_vector_is_zero_and_not_an_error() -> None:
    assert cosines(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 4.0]])) == pytest.approx([0, 1])
    assert np.isfinite(unit(np.zeros((2, 3)))).all()


def test_spearman_is_scipys_and_zero_where_nothing_is_ranked() -> None:
    source = np.random.default_rng(0)
    found, scores = source.normal(size=50), source.integers(0, 5, 50).astype(float)
    assert spearman(found, scores) == pytest.approx(spearmanr(found, scores)[0])
    assert spearman(np.ones(50), scores) == 0
    assert spearman(np.full(50, np.nan), scores) == 0


def test_the_bootstrap_interval_holds_the_value_and_repeats() -> None:
    source = np.random.default_rng(1)
    scores = source.normal(size=300)
    found = scores + source.normal(size=300)
    low, high = spearman_interval(found, scores, seed=3)
    assert low < spearman(found, scores) < high
    assert 0.05 < high - low < 0.25  # about 4 (1 - r^2) / sqrt(n)
    assert (low, high) == spearman_interval(found, scores, seed=3)


def test_the_nearest_is_never_the_query_itself() -> None:
    source = np.random.default_rng(2)
    texts = source.normal(size=(30, 6))
    own = np.array([4, 7, 7, 20])
    found = nearest_of(texts[own], texts, own)
    for query, number in zip(own, found, strict=True):
        others = [i for i in range(30) if i != query]
        best = max(others, key=lambda i: float(cosines(texts[[query]], texts[[i]])[0]))
        assert number == best
