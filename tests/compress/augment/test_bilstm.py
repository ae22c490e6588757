"""Masks, same part of speech, n-grams: their rates, and what must stay."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from penjing.compress.augment.bilstm import Noise, noisy_copies

NOUNS, VERBS = ("film", "plot", "scene", "actor", "music"), ("moves", "bores", "thrills", "drags", "shines")
TAGS = dict.fromkeys(NOUNS, "noun") | dict.fromkeys(VERBS, "verb")
MASK = "[MASK]"
TEXT = " ".join([*NOUNS, *VERBS] * 2)


def tags_of(words: Sequence[str]) -> list[str | None]:
    return [TAGS.get(word) for word in words]


def unknown(words: Sequence[str]) -> list[str | None]:
    return [None] * len(words)


def many(noise: Noise, text: str, count: int) -> list[list[str]]:
    source = random.Random(0)
    tags = noise.tagger(text.split())
    made = (noise.changed(text, tags, source) for _ in range(count))
    return [text.split() for text in made if text is not None]


def test_one_word_in_ten_is_masked_and_not_nine() -> None:
    made = many(Noise.of([TEXT], unknown, MASK), TEXT, 2000)
    words = Counter(word for words in made for word in words)
    assert words[MASK] / words.total() == pytest.approx(0.1, abs=0.01)


def test_one_word_in_ten_gets_another_of_its_part_of_speech() -> None:
    made = [words for words in many(Noise.of([TEXT], tags_of, MASK), TEXT, 3000) if len(words) == 20]
    changed = [(a, b) for words in made for a, b in zip(TEXT.split(), words, strict=True) if a != b and b != MASK]
    assert all(TAGS[a] == TAGS[b] for a, b in changed)
    # one of five draws gives the word itself
    assert len(changed) / (20 * len(made)) == pytest.approx(0.1 * 4 / 5, abs=0.01)


def test_words_are_drawn_as_often_as_they_occur() -> None:
    noise = Noise.of(["film " * 9 + "plot"], tags_of, MASK)
    made = many(noise, "scene " * 20, 2000)
    drawn = Counter(word for words in made for word in words if word in ("film", "plot"))
    assert drawn["plot"] / drawn.total() == pytest.approx(0.1, abs=0.02)


def test_one_copy_in_four_is_an_ngram_of_at_most_five_words_in_order() -> None:
    made = many(Noise.of([TEXT], unknown, "film"), TEXT, 4000)
    short = [words for words in made if len(words) < 20]
    assert {len(words) for words in short} == {1, 2, 3, 4, 5}
    assert len(short) / 4000 == pytest.approx(0.25, abs=0.03)


def test_a_copy_in_which_every_word_was_replaced_is_dropped() -> None:
    noise = Noise.of(["film"], unknown, MASK)
    for seed in range(200):
        assert all(text != MASK for (text,) in noisy_copies(("film",), noise, 20, seed))


def test_the_row_comes_first_and_no_copy_twice() -> None:
    noise = Noise.of([TEXT], tags_of, MASK)
    made = noisy_copies((TEXT,), noise, 20, 1)
    assert made[0] == (TEXT,) and len(made) == len(set(made)) and 10 < len(made) <= 21


def test_copies_depend_on_the_seed_and_the_row_alone() -> None:
    noise = Noise.of([TEXT], tags_of, MASK)
    one, again, other = (noisy_copies((TEXT,), noise, 9, seed) for seed in (1, 1, 2))
    assert one == again != other


def test_pairs_change_the_first_the_second_and_both_by_thirds_each_from_the_row_as_it_is() -> None:
    first, second = TEXT, " ".join(reversed(TEXT.split()))
    made = noisy_copies((first, second), Noise.of([first, second], tags_of, MASK), 300, 1)[1:]
    kinds = Counter((a != first, b != second) for a, b in made)
    assert set(kinds) == {(True, False), (False, True), (True, True)}
    assert all(80 < count <= 100 for count in kinds.values())


def test_spaces_and_marks_around_words_stay() -> None:
    noise = Noise.of(["film"], unknown, MASK)
    whole = [text for (text,) in noisy_copies(("a film,  it drags .",), noise, 50, 3) if text.endswith(" .")]
    assert any(",  it" in text and MASK in text for text in whole)
