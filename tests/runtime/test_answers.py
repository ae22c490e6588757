"""What a device does after the logits, function by function, against examples worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penjing.runtime.answers import (
    REJECTED,
    SOFTMAX,
    Answer,
    FoundSpan,
    ManyLabels,
    Number,
    Postprocess,
    Prediction,
    Spans,
    answer,
    decide,
    differ,
    margin,
)
from penjing.runtime.errors import BundleError, EngineError
from penjing.runtime.spans import tags_of

SIGMOID = Postprocess("sigmoid", threshold=0.5)
LINEAR = Postprocess("linear", scale=2.0, shift=3.0, tolerance=0.1)
REJECT = Postprocess("softmax-reject", threshold=0.7, calibration={"n": 20})
WORDS = Postprocess("token-softmax")
LABELS = ("bad", "fair", "good")
TAGS = tags_of(("artist",))
TEXT = "play new order now"
PLACES = ((1, 0, 4), (2, 5, 8), (4, 9, 14), (6, 15, 18))
TAGGED = np.array([[5.0, 0, 0], [0, 4.0, 0], [0, 1.0, 3.0], [2.0, 0, 0]])


def test_a_softmax_gives_the_largest_logit_and_probabilities_that_sum_to_one() -> None:
    found = answer(SOFTMAX, LABELS, [0.0, 0.0, math.log(2)], False)
    assert isinstance(found, Prediction)
    assert (found.label, found.score, found.out_of_scope) == ("good", pytest.approx(0.5), False)
    assert list(found.probabilities.values()) == pytest.approx([0.25, 0.25, 0.5])
    assert decide(SOFTMAX, LABELS, [0.0, 0.0, math.log(2)]) == 2


def test_a_text_whose_best_label_is_unlikely_is_out_of_scope_and_keeps_its_nearest_label() -> None:
    unsure, sure = [0.0, 0.0, math.log(2)], [0.0, 0.0, math.log(8)]
    found = answer(REJECT, LABELS, unsure, False)
    assert isinstance(found, Prediction) and found.out_of_scope
    assert (found.label, found.summary) == ("good", "out of scope")
    assert [decide(REJECT, LABELS, logits) for logits in (unsure, sure)] == [REJECTED, 2]
    assert answer(REJECT, LABELS, sure, False).summary == "good"


def test_a_sigmoid_gives_every_label_that_is_likely_enough() -> None:
    found = answer(SIGMOID, LABELS, [0.0, -0.01, math.log(3)], True)
    assert isinstance(found, ManyLabels)
    assert (found.labels, found.truncated, found.summary) == (("bad", "good"), True, "bad, good")
    assert found.probabilities["good"] == pytest.approx(0.75)
    assert decide(SIGMOID, LABELS, [0.0, -0.01, 1.0]) == (0, 2)
    assert decide(SIGMOID, LABELS, [-1.0, -2.0, -800.0]) == ()


def test_a_number_is_scaled_and_shifted() -> None:
    found = answer(LINEAR, ("value",), [1.5], False)
    assert isinstance(found, Number)
    assert (found.value, found.logits, found.summary) == (6.0, (1.5,), "6")


def test_spans_come_out_with_their_places_and_their_least_sure_word() -> None:
    found = answer(WORDS, TAGS, TAGGED, False, TEXT, PLACES)
    least = math.exp(3) / (math.exp(3) + math.exp(1) + 1)
    assert found == Spans((FoundSpan(5, 14, "artist", "new order", pytest.approx(least)),), False)
    assert found.summary == "artist: new order"
    assert decide(WORDS, TAGS, TAGGED, PLACES) == ((5, 14, "artist"),)
    assert answer(WORDS, TAGS, np.zeros((0, 3)), False, "", ()) == Spans((), False)


@pytest.mark.parametrize(
    ("after", "one", "other", "flip"),
    [
        (SOFTMAX, 1, 1, False), (SOFTMAX, 1, 2, True), (REJECT, REJECTED, 2, True), (SIGMOID, (0, 2), (0,), True),
        (SIGMOID, (), (), False), (LINEAR, 3.0, 3.05, False), (LINEAR, 3.0, 3.2, True), (LINEAR, 3.0, None, True),
        (WORDS, ((0, 4, "a"),), ((0, 5, "a"),), True), (SOFTMAX, None, None, True),
    ],
)  # fmt: skip
def test_a_flip_is_another_label_set_or_span_or_a_number_beyond_the_tolerance(
    after: Postprocess, one: object, other: object, flip: bool
) -> None:
    assert differ(after, one, other) == differ(after, other, one) == flip


@pytest.mark.parametrize(
    ("after", "logits", "far"),
    [
        (SOFTMAX, [0.5, 2.0, -1.0], 1.5), (SIGMOID, [3.0, -0.25, 2.0], 0.25), (LINEAR, [1.0], math.inf),
        (WORDS, TAGGED, 2.0), (WORDS, np.zeros((0, 3)), math.inf),
    ],
)  # fmt: skip
def test_the_margin_is_the_nearest_other_decision(after: Postprocess, logits: object, far: float) -> None:
    assert margin(after, logits) == pytest.approx(far)


def test_the_margin_of_a_text_near_the_threshold_is_small() -> None:
    edge = math.log(0.7 / 0.3)
    assert margin(REJECT, [0.0, edge + 0.05]) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("after", [SOFTMAX, REJECT, SIGMOID, LINEAR])
def test_logits_that_are_no_numbers_decide_nothing_and_are_no_answer(after: Postprocess) -> None:
    for broken in (math.nan, math.inf):
        assert decide(after, LABELS, [0.0, 1.0, broken]) is None
        with pytest.raises(EngineError, match="not numbers"):
            answer(after, LABELS, [0.0, 1.0, math.nan], False)
    with pytest.raises(EngineError, match="not numbers"):
        answer(WORDS, TAGS, TAGGED * math.nan, False, TEXT, PLACES)


@pytest.mark.parametrize("after", [SOFTMAX, REJECT, SIGMOID, LINEAR, WORDS])
def test_what_the_manifest_holds_reads_back(after: Postprocess) -> None:
    assert Postprocess.from_plain(after.to_plain()) == after


def test_one_label_is_written_as_it_always_was() -> None:
    assert SOFTMAX.to_plain() == {"function": "softmax"}


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"function": "argmax"}, "asks for 'argmax'"), ({}, "asks for ''"),
        ({"function": "sigmoid"}, "needs a number as threshold, has None"),
        ({"function": "sigmoid", "threshold": "0.5"}, "needs a number as threshold, has '0.5'"),
        ({"function": "linear", "scale": 1.0, "shift": math.nan, "tolerance": 1.0}, "needs a number as shift, has nan"),
    ],
)  # fmt: skip
def test_a_manifest_that_asks_for_something_unknown_is_refused(plain: dict[str, object], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        Postprocess.from_plain(plain)


def test_every_kind_of_answer_says_itself_in_a_few_words() -> None:
    kinds: list[Answer] = [
        answer(SOFTMAX, LABELS, [1.0, 0.0, 0.0], False), answer(SIGMOID, LABELS, [1.0, -1.0, 1.0], False),
        answer(LINEAR, ("value",), [0.25], False), answer(WORDS, TAGS, TAGGED, False, TEXT, PLACES),
    ]  # fmt: skip
    assert [found.summary for found in kinds] == ["bad", "bad, good", "3.5", "artist: new order"]
