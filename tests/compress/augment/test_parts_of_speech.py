"""Tags of words: TextBlob's, and clusters of vectors."""

from __future__ import annotations

import numpy as np
import pytest

from penjing.compress.augment.neighbours import UnitVectors
from penjing.compress.augment.parts_of_speech import cluster_tagger, english_tagger
from penjing.runtime.errors import DataError

VECTORS = UnitVectors(("film", "plot", "runs", "drags"), np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32))


def test_textblob_tags_every_word_of_a_sentence_without_a_download() -> None:
    pytest.importorskip("textblob", reason="TextBlob is not installed")
    words = ["The", "lovely", "film", "/", "quickly", "moves", ",", "and", "it's", "3", "[MASK]"]
    tags = english_tagger()(words)
    assert len(tags) == len(words)
    assert tags[:3] == ["DT", "JJ", "NN"] and tags[4] == "RB"


def test_words_of_one_cluster_have_one_tag_and_unknown_words_none() -> None:
    texts = ["film runs plot", "drags zzz"]
    film, plot, runs, drags, unknown = cluster_tagger(texts, VECTORS, 1)(["film", "Plot", "runs", "drags", "zzz"])
    assert len({film, plot, runs, drags}) == 4 and unknown is None  # four words, so as many clusters


def test_there_are_no_more_clusters_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penjing.compress.augment.parts_of_speech.CLUSTERS", 2)
    film, plot, runs, drags = cluster_tagger(["film plot runs drags"], VECTORS, 1)(["film", "plot", "runs", "drags"])
    assert film == plot != runs == drags


def test_vectors_that_know_no_word_are_refused() -> None:
    with pytest.raises(DataError, match="none of the texts' 2 words has a vector"):
        cluster_tagger(["zzz yyy"], VECTORS, 1)
