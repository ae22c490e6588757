"""A predictor answers what its parts answer, for one text and for many, and refuses what is no text."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import LABELS, MAX_LENGTH, TEXTS, edit_manifest, poison

from penjing.runtime import PenjingError, Predictor, load
from penjing.runtime.errors import BundleError, DataError, EngineError

CHOICES = [(engine, precision) for engine in ("onnx", "tflite") for precision in ("fp32", "int8")]


@pytest.fixture(params=CHOICES, ids=lambda choice: "-".join(choice))
def predictor(request: pytest.FixtureRequest, tiny_bundle: Path) -> Predictor:
    return load(tiny_bundle, *request.param)


def test_a_prediction_is_the_softmax_of_the_engines_logits(predictor: Predictor) -> None:
    answer = predictor.predict("a good film")
    logits = predictor.engine.run(predictor.tokenizer.encode(["a good film"]).inputs)["logits"][0].astype(float)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert answer.logits == tuple(logits)
    assert tuple(answer.probabilities) == LABELS
    np.testing.assert_allclose(list(answer.probabilities.values()), expected, rtol=1e-12)
    assert answer.label == LABELS[int(logits.argmax())]
    assert answer.score == answer.probabilities[answer.label] == max(answer.probabilities.values())
    assert not answer.truncated


def test_many_texts_are_answered_as_each_alone_and_in_their_order(predictor: Predictor) -> None:
    source = random.Random(0)
    texts = [
        " ".join(source.choices(["good", "bad", "film", "the", "x"], k=source.randrange(1, 14))) for _ in range(50)
    ]
    answers = predictor.predict_many(texts, batch_size=7)
    alone = [predictor.predict(text) for text in texts]
    # Dynamic int8 in ONNX Runtime takes one scale for a whole batch, so that neighbours change the rounding.
    tolerance = 0.2 if predictor.file == "model.int8.onnx" else 1e-5
    np.testing.assert_allclose([a.logits for a in answers], [a.logits for a in alone], atol=tolerance)
    assert len({answer.logits for answer in alone}) > 20  # so that the order shows
    assert predictor.predict_many([]) == []


def test_both_engines_answer_alike(tiny_bundle: Path) -> None:
    onnx_answers, tflite_answers = (
        load(tiny_bundle, engine, "fp32").predict_many(TEXTS) for engine in ("onnx", "tflite")
    )
    for one, other in zip(onnx_answers, tflite_answers, strict=True):
        assert (one.label, one.truncated) == (other.label, other.truncated)
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-5)


def test_a_text_that_is_too_long_is_cut_and_the_answer_says_so(predictor: Predictor) -> None:
    fits, longer = "good " * (MAX_LENGTH - 2), "good " * (MAX_LENGTH - 1)
    assert not predictor.predict(fits).truncated
    assert predictor.predict(longer).truncated
    assert predictor.predict(longer).logits == predictor.predict(fits).logits
    assert [answer.truncated for answer in predictor.predict_many([longer, fits])] == [True, False]


def test_a_megabyte_is_answered_by_its_beginning(predictor: Predictor) -> None:
    text = "a very bad film " * 62_500
    assert len(text) == 1_000_000
    answer = predictor.predict(text)
    assert answer.truncated
    assert answer.logits == predictor.predict(text[: 16 * 20]).logits


@pytest.mark.parametrize("text", ["", " ", "\n\t\u00a0\u3000", None, ["good"], b"good"])
def test_what_is_no_text_is_refused(text: str, tiny_bundle: Path) -> None:
    predictor = load(tiny_bundle)
    with pytest.raises(DataError, match=r"^the text is "):
        predictor.predict(text)
    with pytest.raises(DataError, match=r"^text 2 of 3 is "):
        predictor.predict_many(["good", text, "bad"])


def test_a_batch_size_below_one_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(DataError, match="batch_size is 0"):
        load(tiny_bundle).predict_many(["good"], batch_size=0)


def test_labels_that_do_not_match_the_logits_are_refused(own_bundle: Path) -> None:
    edit_manifest(own_bundle, labels=["bad", "good"])
    for engine in ("onnx", "tflite"):
        with pytest.raises(BundleError, match="has no output 'logits' for 2 labels"):
            load(own_bundle, engine)


def test_an_unknown_postprocessing_is_refused(own_bundle: Path) -> None:
    edit_manifest(own_bundle, postprocess={"function": "argmax"})
    with pytest.raises(BundleError, match="asks for 'argmax'"):
        load(own_bundle)


def test_logits_that_are_not_numbers_are_an_error_not_an_answer(own_bundle: Path) -> None:
    poison(own_bundle)
    with pytest.raises(EngineError, match="logits that are not numbers"):
        load(own_bundle, "onnx", "fp32").predict("good")


def test_every_error_is_a_penjing_error() -> None:
    assert all(issubclass(kind, PenjingError) for kind in (BundleError, DataError, EngineError))
