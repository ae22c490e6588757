"""Word vectors from files: word2vec's binary and text formats, GloVe's text, and arrays of numpy. Plain or gzip.

A file of three million words is read once, front to back, and only the task's words are kept. Spelling: the word
itself counts, else its first other spelling in the file, since the most frequent comes first ("Paris" for "paris").
Left out: training vectors, and vectors of pieces of words.
"""

from __future__ import annotations

import gzip
import itertools
import zipfile
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError

Row = NDArray[np.float32]
LONGEST_WORD = 2000
"""Bytes before the space of a binary file; more of them mean that it is something else."""
_BROKEN = (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile)
"""What readers raise for a file that is not what its name says, or ends early."""


def read_word_vectors(path: Path, words: Sequence[str], size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors [words, size] and which words the file knows [words]; the rows of the others are zero.

    `path` is a .bin (word2vec), .txt or .vec (word2vec, GloVe), each also with .gz, a .npz with `words` and `vectors`,
    or a folder with words.txt and one .npy. Raises DataError when it is missing or broken, has vectors of another size
    or knows none of the words.
    """
    wanted: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        wanted.setdefault(word.lower(), []).append(place)
    vectors, known = np.zeros((len(words), size), np.float32), np.zeros(len(words), bool)
    exact: set[int] = set()
    with _readable_errors(path):
        for word, row in _rows(path, wanted, size):
            for place in wanted[word.lower()]:
                same = word == words[place]
                if not known[place] or (same and place not in exact):
                    vectors[place], known[place] = row, True
                    exact.update({place} if same else ())
    if not known.any():
        few = ", ".join(map(repr, words[:3]))
        raise DataError(
            f"{path} knows none of the task's {len(words)} words (such as {few}): name vectors of the task's language"
        )
    return vectors, known


def first_word_vectors(path: Path, count: int) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The first `count` words of the file, the most frequent ones, and their vectors [words, size].

    Raises DataError as `read_word_vectors` does, and when there is none.
    """
    with _readable_errors(path):
        pairs = list(itertools.islice(_rows(path, _AnyWord(), None), count))
    if not pairs:
        raise DataError(f"{path} holds no word vectors: name another file")
    return tuple(word for word, _ in pairs), np.stack([row for _, row in pairs])


class _AnyWord:
    def __contains__(self, word: object) -> bool:
        return True


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} cannot be read as word vectors ({why}): copy the file again") from None


def _rows(path: Path, wanted: Container[str], size: int | None) -> Iterator[tuple[str, Row]]:
    """The wanted words of the file, whatever their capitals, with their vectors."""
    if path.is_dir():
        return _folder(path, wanted, size)
    if not path.is_file():
        raise DataError(f"no word vectors at {path}: name a file or folder of vectors that is there")
    kind = next((end for end in reversed(path.suffixes) if end != ".gz"), "")
    readers = {".bin": _binary, ".txt": _text, ".vec": _text, ".npz": _archive}
    if kind not in readers:
        raise DataError(f"{path} has the ending {kind!r}; word vectors are read from {', '.join(readers)} or a folder")
    return readers[kind](path, wanted, size)


def _text(path: Path, wanted: Container[str], size: int | None) -> Iterator[tuple[str, Row]]:
    """A word and its numbers a line; word2vec has a line before these: how many words, how many numbers."""
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            word, _, rest = line.rstrip().partition(b" ")
            numbers = rest.split()
            if number == 1:
                header = len(numbers) == 1 and word.isdigit()
                size = _check_size(path, int(numbers[0]) if header else len(numbers), size)
                if header:
                    continue
            spelled = word.decode("utf-8", "replace")
            if spelled.lower() in wanted:
                yield spelled, _checked(numbers, size, f"line {number}")


def _binary(path: Path, wanted: Container[str], size: int | None) -> Iterator[tuple[str, Row]]:
    """word2vec's own: a header line, then each word, a space and its numbers as little-endian float32."""
    with _open(path) as file:
        header = file.readline(LONGEST_WORD).split()
        if len(header) != 2 or not all(part.isdigit() for part in header):
            raise ValueError("it does not begin with the numbers of words and of dimensions")
        count = int(header[0])
        size = _check_size(path, int(header[1]), size)
        for number in range(1, count + 1):
            word, raw = _word(file), file.read(4 * size)
            if len(raw) < 4 * size:
                raise EOFError(f"it ends in word {number} of {count}")
            if word.lower() in wanted:
                yield word, _checked(np.frombuffer(raw, "<f4"), size, f"word {number}")


def _word(file: BinaryIO) -> str:
    """Up to the space; writers differ in whether a newline ends the row before."""
    letters = bytearray()
    while (letter := file.read(1)) not in (b" ", b""):
        letters += letter
        if len(letters) > LONGEST_WORD:
            raise ValueError("a word without an end")
    return letters.lstrip(b"\n").decode("utf-8", "replace")


def _archive(path: Path, wanted: Container[str], size: int | None) -> Iterator[tuple[str, Row]]:
    with np.load(path, allow_pickle=False) as arrays:
        return _pairs(path, arrays["words"].tolist(), arrays["vectors"], wanted, size)


def _folder(path: Path, wanted: Container[str], size: int | None) -> Iterator[tuple[str, Row]]:
    arrays = sorted(path.glob("*.npy"))
    if len(arrays) != 1 or not (path / "words.txt").is_file():
        raise DataError(f"{path} is no folder of word vectors: it must hold words.txt and one .npy file")
    words = (path / "words.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return _pairs(path, words, np.load(arrays[0], mmap_mode="r", allow_pickle=False), wanted, size)


def _pairs(
    path: Path, words: list[str], vectors: NDArray[Any], wanted: Container[str], size: int | None
) -> Iterator[tuple[str, Row]]:
    if vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(f"{len(words)} words, but vectors of the shape {vectors.shape}")
    size = _check_size(path, vectors.shape[1], size)
    places = (place for place, word in enumerate(words) if word.lower() in wanted)
    return ((words[place], _checked(vectors[place], size, f"word {place + 1}")) for place in places)


def _checked(numbers: Any, size: int | None, where: str) -> Row:
    """As float32; raises ValueError for another count or what is no number."""
    row = np.asarray(numbers, np.float32)
    if row.shape != (size,):
        raise ValueError(f"{where} has {len(row)} numbers, not {size}")
    if not np.isfinite(row).all():
        raise ValueError(f"{where} holds something that is no number")
    return row


def _check_size(path: Path, found: int, size: int | None) -> int:
    if size is not None and found != size:
        raise DataError(
            f"{path} has word vectors of {found} numbers, but student.embedding_size is {size}: set it to {found}, or"
            f" name word vectors of {size}"
        )
    return found


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
