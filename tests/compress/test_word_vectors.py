from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from word_pieces import SHARED

from penjing.compress.word_vectors import read_word_vectors
from penjing.runtime.errors import DataError

WORDS = ("the", "film", "Paris", "paris", "PARIS")
VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3) / 4


def as_text(header=True):
    rows = [f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS, VECTORS.tolist(), strict=True)]
    return "\n".join(([f"{len(WORDS)} 3"] if header else []) + rows) + "\n"


def as_binary(ending=b"\n"):
    rows = [w.encode() + b" " + struct.pack("<3f", *v) + ending for w, v in zip(WORDS, VECTORS.tolist(), strict=True)]
    return f"{len(WORDS)} 3\n".encode() + b"".join(rows)


def write_folder(folder):
    folder.mkdir()
    np.save(folder / "vectors_f16.npy", VECTORS.astype(np.float16))
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")


@pytest.fixture(params=["v.txt", "glove.txt", "v.vec.gz", "v.bin", "google.bin", "v.bin.gz", "v.npz", "folder"])
def file(request, tmp_path):
    """The same five words in every format."""
    path = tmp_path / request.param
    if path.name == "folder":
        write_folder(path)
    elif path.suffix == ".npz":
        np.savez(path, words=np.array(WORDS), vectors=VECTORS)
    else:
        content = as_binary(b"" if "google" in path.name else b"\n") if ".bin" in path.name else as_text().encode()
        content = as_text(header=False).encode() if "glove" in path.name else content
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_every_format_gives_the_same_vectors(file):
    vectors, known = read_word_vectors(file, ["film", "unheard", "the"], 3)
    assert known.tolist() == [True, False, True]
    assert np.array_equal(vectors, np.stack([VECTORS[1], np.zeros(3), VECTORS[0]]).astype(np.float32))


def test_the_word_itself_comes_before_its_other_spellings(file):
    vectors, known = read_word_vectors(file, ["paris", "The", "pAris"], 3)
    assert known.all()
    assert vectors.tolist() == [VECTORS[3].tolist(), VECTORS[0].tolist(), VECTORS[2].tolist()]


def test_another_dimension_is_refused_with_both_numbers(file):
    with pytest.raises(DataError, match=r"vectors of 3 numbers, but student.embedding_size is 5: set it to 3, or"):
        read_word_vectors(file, ["the"], 5)


def test_vectors_of_another_language_are_refused(file):
    with pytest.raises(DataError, match=r"knows none of the task's 2 words \(such as '電', '影'\)"):
        read_word_vectors(file, ["電", "影"], 3)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("v.bin", as_binary()[:-9], "ends in word 5 of 5"),
        ("v.bin", b"words of no file", "does not begin with the numbers"),
        ("v.bin", b"2 3\n" + b"x" * 3000, "a word without an end"),
        ("v.bin.gz", gzip.compress(as_binary(), mtime=0)[:-20], "ended before"),
        ("v.txt", b"the 1 2 3\nfilm 1 two 3\n", "could not convert"),
        ("v.txt", b"the 1 2 3\nfilm 1 2\n", "line 2 has 2 numbers, not 3"),
        ("v.txt", b"the 1 2 3\nfilm 1 nan 3\n", "line 2 holds something that is no number"),
        ("v.npz", b"PK\x03\x04 and no more", "zip"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_word_vectors(tmp_path / name, ["film", "paris"], 3)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("name", ["missing.bin", "v.csv", "."])
def test_what_is_no_file_of_vectors_is_refused(tmp_path, name):
    (tmp_path / "v.csv").write_text("the,1,2,3\n")
    with pytest.raises(DataError, match="word vectors"):
        read_word_vectors(tmp_path / name, ["the"], 3)


def test_counts_of_words_and_rows_must_agree(tmp_path):
    write_folder(tmp_path / "folder")
    (tmp_path / "folder" / "words.txt").write_text("the\nfilm\n")
    with pytest.raises(DataError, match=r"2 words, but vectors of the shape \(5, 3\)"):
        read_word_vectors(tmp_path / "folder", ["the"], 3)


def test_real_vectors_put_like_words_together():
    folder = SHARED / "vocab" / "word2vec_gnews_300d_8k"
    if not folder.is_dir():
        pytest.skip("shared/data is absent")
    vectors, known = read_word_vectors(folder, ["good", "great", "january"], 300)
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert known.all() and rows[0] @ rows[1] > 0.5 > rows[0] @ rows[2]
