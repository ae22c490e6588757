"""Words in a text, and replacing them in place."""

from __future__ import annotations

import pytest

from penjing.compress.augment.words import is_replaceable, replace_words, word_spans


def test_only_white_space_is_outside_of_words() -> None:
    text = "It's  GREAT, 3 stars!"
    assert [text[a:b] for a, b in word_spans(text)] == ["It", "'", "s", "GREAT", ",", "3", "stars", "!"]


def test_each_chinese_sign_is_a_word() -> None:
    text = "这部film很好"
    assert [text[a:b] for a, b in word_spans(text)] == ["这", "部", "film", "很", "好"]


def test_replacing_keeps_everything_between_the_words() -> None:
    assert replace_words("a  good, long  film\n", [(3, 7), (15, 19)], ["bad", "plot"]) == "a  bad, long  plot\n"


@pytest.mark.parametrize("word", ["the", "Not", "3", "n't", "!", "[MASK]"])
def test_stop_words_numbers_and_marks_are_not_replaced(word: str) -> None:
    assert not is_replaceable(word)


def test_other_words_are_replaced() -> None:
    assert is_replaceable("Good") and is_replaceable("好") and is_replaceable("café")
