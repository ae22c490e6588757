"""Search is exact for the vectors it keeps, an index survives its disk, and a spoilt one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from penjing.runtime.embedder import truncate
from penjing.runtime.errors import DataError
from penjing.runtime.vector_search import (
    ROWS_AT_ONCE,
    TEXTS_NAME,
    VECTORS_NAME,
    VectorIndex,
    make_index,
    read_index,
    write_index,
)


def vectors_of(count: int, size: int = 24, seed: int = 0) -> np.ndarray:
    return truncate(np.random.default_rng(seed).normal(size=(count, size)), size)


@pytest.fixture
def index() -> VectorIndex:
    return make_index(vectors_of(300), [f"text {i}" for i in range(300)], "bundle", "hash")


def kept(index: VectorIndex) -> np.ndarray:
    """The vectors that an index holds."""
    return index.codes * index.scales[:, None]


def test_the_nearest_are_those_of_brute_force(index: VectorIndex) -> None:
    queries = vectors_of(20, seed=1)
    distances = cdist(queries, kept(index), "cosine")
    others = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(kept(index)).kneighbors(queries)[1]
    for query, row, by_sklearn in zip(queries, distances, others, strict=True):
        hits = index.search(query, 7)
        assert [hit.position for hit in hits] == np.argsort(row)[:7].tolist() == by_sklearn.tolist()
        np.testing.assert_allclose([hit.score for hit in hits], 1 - np.sort(row)[:7], atol=1e-6)
        assert hits[0].text == f"text {hits[0].position}"


def test_more_rows_than_one_block_are_searched_alike() -> None:
    vectors = vectors_of(ROWS_AT_ONCE + 37, size=6)
    index = make_index(vectors, [str(i) for i in range(len(vectors))])
    query = vectors_of(1, size=6, seed=5)[0]
    np.testing.assert_allclose(index.scores(query), kept(index) @ query, atol=1e-6)
    assert index.search(query, 1)[0].position == int((kept(index) @ query).argmax())


def test_eight_bits_are_near_the_vector_and_of_length_one(index: VectorIndex) -> None:
    assert index.codes.dtype == np.int8 and np.abs(index.codes).max(axis=1).tolist() == [127] * 300
    np.testing.assert_allclose(np.linalg.norm(kept(index), axis=1), 1, atol=1e-6)
    cosines = (kept(index) * vectors_of(300)).sum(1)
    assert cosines.min() > 0.9999


def test_equal_texts_come_in_their_order_and_k_may_be_more_than_there_are() -> None:
    vectors = np.repeat(vectors_of(3), 4, axis=0)
    index = make_index(vectors, [str(i) for i in range(12)])
    assert [hit.position for hit in index.search(vectors[4], 3)] == [4, 5, 6]
    assert len(index.search(vectors[0], 50)) == 12


def test_an_index_comes_back_from_disk_as_it_was(index: VectorIndex, tmp_path: Path) -> None:
    texts = ("tab\there", 'quote "', "電影", "line\u2028separator", *index.texts[4:])
    index = VectorIndex(index.codes, index.scales, texts, "runs/x/bundle", "abc")
    write_index(index, tmp_path / "notes")
    write_index(index, tmp_path / "notes")
    again = read_index(tmp_path / "notes")
    np.testing.assert_array_equal(again.codes, index.codes)
    np.testing.assert_array_equal(again.scales, index.scales)
    assert (again.texts, again.bundle, again.model) == (texts, "runs/x/bundle", "abc")
    assert {path.name for path in (tmp_path / "notes").iterdir()} == {VECTORS_NAME, TEXTS_NAME}


def test_a_spoilt_index_is_refused_in_one_line(index: VectorIndex, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no index of vectors"):
        read_index(tmp_path)
    write_index(index, tmp_path)
    (tmp_path / TEXTS_NAME).write_text('"another"\n', encoding="utf-8")
    with pytest.raises(DataError, match="is not the file that the vectors are of"):
        read_index(tmp_path)
    (tmp_path / VECTORS_NAME).write_bytes((tmp_path / VECTORS_NAME).read_bytes()[:200])
    with pytest.raises(DataError, match="cannot be read as an index"):
        read_index(tmp_path)


def test_pickled_arrays_are_never_opened(index: VectorIndex, tmp_path: Path) -> None:
    write_index(index, tmp_path)
    with np.load(tmp_path / VECTORS_NAME) as arrays:
        held = dict(arrays)
    np.savez(tmp_path / VECTORS_NAME, **{**held, "codes": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(DataError, match="cannot be read as an index"):
        read_index(tmp_path)


def test_what_is_no_query_and_what_makes_no_index_is_said(index: VectorIndex) -> None:
    with pytest.raises(DataError, match="k is 0"):
        index.search(vectors_of(1)[0], 0)
    with pytest.raises(DataError, match=r"the query has \[8\] numbers, the index 24"):
        index.search(vectors_of(1, size=8)[0])
    with pytest.raises(DataError, match="make no index"):
        make_index(vectors_of(2), ["one"])
    with pytest.raises(DataError, match="has no direction"):
        make_index(np.array([[0.0, 0.0]]), ["one"])
