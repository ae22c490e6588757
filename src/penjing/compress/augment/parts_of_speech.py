"""Parts of speech of a sentence's words: from TextBlob, whose English tagger comes whole in its package, or clusters.

TextBlob's is Pattern's tagger: a lexicon and Brill's rules, Penn Treebank tags. For another language, or without it,
words count as alike when their vectors fall into one cluster: rather topics than parts of speech. Left out: taggers
whose model is a download (NLTK's, spaCy's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...runtime.errors import DataError
from .neighbours import UnitVectors
from .words import word_spans

Tagger = Callable[[Sequence[str]], list[str | None]]
"""The words of one sentence to their tags; None for a word that nothing is known of, which is then not replaced."""

CLUSTERS = 64


def english_tagger() -> Tagger:
    """TextBlob's tags. Raises ImportError where it is not installed."""
    from textblob.en import parser

    tags: Any = parser

    def tag(words: Sequence[str]) -> list[str | None]:
        return [found[1] for found in tags.find_tags(list(words))]

    return tag


def cluster_tagger(texts: Sequence[str], vectors: UnitVectors, seed: int) -> Tagger:
    """Clusters (k-means) the vectors of the texts' words. Raises DataError when none of them has a vector."""
    from sklearn.cluster import KMeans

    words = {text[slice(*span)] for text in texts for span in word_spans(text)}
    rows = sorted({row for word in words if (row := vectors.row(word)) is not None})
    if not rows:
        raise DataError(f"none of the texts' {len(words)} words has a vector: name word vectors of their language")
    clusters = KMeans(min(CLUSTERS, len(rows)), n_init=1, random_state=seed).fit_predict(vectors.vectors[rows])
    names = {row: f"cluster {cluster}" for row, cluster in zip(rows, clusters.tolist(), strict=True)}

    def tag(words: Sequence[str]) -> list[str | None]:
        found = [vectors.row(word) for word in words]
        return [None if row is None else names.get(row) for row in found]

    return tag
