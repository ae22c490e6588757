"""Word tags to spans and back."""

from __future__ import annotations

import pytest

from penjing.runtime.spans import spans_of, tags_in, tags_of

PLACES = [(0, 4), (5, 8), (9, 14), (15, 18)]


def test_every_label_has_a_tag_to_begin_and_one_to_go_on() -> None:
    assert tags_of(("artist", "song")) == ("O", "B-artist", "I-artist", "B-song", "I-song")


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O O O", ()),
        ("O B-a I-a O", ((5, 14, "a"),)),
        ("B-a B-a I-a O", ((0, 4, "a"), (5, 14, "a"))),
        ("B-a I-b O O", ((0, 4, "a"), (5, 8, "b"))),
        ("O I-a I-a O", ((5, 14, "a"),)),  # as the CoNLL script reads it
        ("O O O B-creative-work", ((15, 18, "creative-work"),)),
    ],
)
def test_spans_are_read_as_the_conll_script_reads_them(tags: str, spans: tuple[object, ...]) -> None:
    assert spans_of(tags.split(), PLACES) == spans


@pytest.mark.parametrize("tags", ["O B-a I-a O", "B-a B-a I-a B-b", "O O O O"])
def test_tags_go_to_spans_and_back(tags: str) -> None:
    assert tags_in(spans_of(tags.split(), PLACES), PLACES) == tuple(tags.split())


def test_a_word_of_the_data_that_is_several_words_of_the_device_is_one_span() -> None:
    device = [(0, 1), (2, 3), (3, 4), (4, 9)]  # 5 o ' clock
    assert tags_in([(0, 9, "time")], device) == ("B-time", "I-time", "I-time", "I-time")
