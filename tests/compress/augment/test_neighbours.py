"""Nearest words by cosine."""

from __future__ import annotations

import numpy as np

from penjing.compress.augment.neighbours import NEIGHBOURS, UnitVectors

WORDS = ("good", "Good", "great", "new_york", "bad", "fine")
VECTORS = np.array([[1, 0], [1, 0.01], [5, 1], [1, 0.02], [-1, 0], [1, 1]], np.float32)


def test_neighbours_come_by_cosine_whatever_the_length_of_the_vectors() -> None:
    assert UnitVectors(WORDS, VECTORS).neighbours("good") == ("great", "fine", "bad")


def test_a_word_is_looked_up_in_lower_case_and_an_unknown_one_has_no_neighbours() -> None:
    vectors = UnitVectors(WORDS, VECTORS)
    assert vectors.neighbours("GREAT") == vectors.neighbours("great") != ()
    assert vectors.neighbours("film") == ()


def test_there_are_never_more_than_fifteen() -> None:
    words = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(60)]
    vectors = UnitVectors(words, np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
    found = vectors.neighbours("ab")
    assert len(found) == len(set(found)) == NEIGHBOURS and "ab" not in found
