"""Metrics against values worked out by hand, against scikit-learn and scipy, and against seqeval where it is there."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from penjing.runtime.errors import DataError
from penjing.runtime.metrics import measure, share_interval
from penjing.runtime.spans import spans_of


def test_accuracy_counts_equal_decisions_and_what_is_no_number_is_wrong() -> None:
    found = measure("accuracy", [0, 1, None, 1], [0, 1, 1, 0])
    assert (found.value, found.low, found.high) == (0.5, *share_interval(2, 4))


def test_f1_of_spans_is_that_of_a_worked_example() -> None:
    """Three right of four found and five there: precision 3/4, recall 3/5, F1 2 * 3 / (4 + 5)."""
    gold = [((0, 4, "a"), (5, 8, "b")), ((0, 2, "a"),), ((3, 5, "b"), (6, 9, "a"))]
    found = [((0, 4, "a"), (5, 9, "b")), ((0, 2, "a"),), ((3, 5, "b"),)]
    assert measure("span F1", found, gold).value == pytest.approx(6 / 9)


def test_nothing_to_find_and_nothing_found_is_all_right() -> None:
    assert measure("micro F1", [(), ()], [(), ()]).value == 1.0
    assert measure("micro F1", [None], [(1,)]).value == 0.0


def test_f1_is_scikit_learns() -> None:
    source = np.random.default_rng(0)
    gold, found = source.integers(0, 2, (60, 4)), source.integers(0, 2, (60, 4))
    sets = [[tuple(np.flatnonzero(row)) for row in rows] for rows in (found, gold)]
    assert measure("micro F1", *sets).value == pytest.approx(f1_score(gold, found, average="micro"))
    one = measure("f1", found[:, 0].tolist(), gold[:, 0].tolist())
    assert one.value == pytest.approx(f1_score(gold[:, 0], found[:, 0]))
    assert one.low < one.value < one.high


def test_span_f1_is_seqevals() -> None:
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    source = random.Random(0)
    tags = ["O", "B-a", "I-a", "B-b", "I-b"]
    gold, found = ([[source.choice(tags) for _ in range(9)] for _ in range(80)] for _ in range(2))
    places = [(i, i + 1) for i in range(9)]
    spans = [[spans_of(row, places) for row in rows] for rows in (found, gold)]
    assert measure("span F1", *spans).value == pytest.approx(seqeval.f1_score(gold, found))


def test_correlations_are_scipys_with_ties() -> None:
    source = np.random.default_rng(1)
    gold = source.integers(0, 6, 200) / 2
    found = gold + source.normal(size=200)
    for name, theirs in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        own = measure(name, found.tolist(), gold.tolist())
        assert own.value == pytest.approx(theirs(found, gold).statistic)
        assert own.low < own.value < own.high
    interval = stats.pearsonr(found, gold).confidence_interval(0.95)
    own = measure("pearson", found.tolist(), gold.tolist())
    assert (own.low, own.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_numbers_that_are_all_alike_correlate_with_nothing() -> None:
    assert measure("spearman", [1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]).value == 0.0
    assert measure("pearson", [None, None], [1.0, 2.0]).value == 0.0


def test_the_interval_of_an_f1_covers_its_true_value_about_as_often_as_it_says() -> None:
    source = np.random.default_rng(2)
    covered = 0
    for _ in range(60):
        gold = source.integers(0, 2, 150)
        found = np.where(source.random(150) < 0.2, 1 - gold, gold)
        own = measure("f1", found.tolist(), gold.tolist())
        covered += own.low <= 0.8 <= own.high
    assert covered >= 50


def test_no_texts_and_unknown_metrics_are_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        measure("accuracy", [], [])
    with pytest.raises(DataError, match=r"no metric 'bleu': choose of accuracy, f1"):
        measure("bleu", [1], [1])
