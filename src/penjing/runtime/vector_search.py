"""Exact search among many texts' vectors, kept in 8 bits a number with a scale a vector.

A vector is its row of codes brought to length 1: a cosine is one integer-valued product and one scale. 384 numbers cost
388 bytes. On disk an index is a folder: `vectors.npz` (plain arrays, never pickled) and `texts.jsonl` beside it, a JSON
string a line. Left out: approximate indexes (a million vectors are searched in a second), and changing an index.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

VECTORS_NAME, TEXTS_NAME = "vectors.npz", "texts.jsonl"
ROWS_AT_ONCE = 4096
"""Codes that are made floats at a time: six megabytes of 384 numbers, which a cache almost holds."""


@dataclass(frozen=True)
class Hit:
    """A text that was found: its number in the index, from 0, and the cosine of its vector and the query's."""

    position: int
    score: float
    text: str


@dataclass(frozen=True)
class VectorIndex:
    """`codes` [n, size] int8; `scales` [n] bring each row to length 1; the `texts` [n].

    `bundle` and `model` say whose vectors they are: the bundle's folder as it was named, and its model file's hash.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    texts: tuple[str, ...]
    bundle: str
    model: str

    @property
    def size(self) -> int:
        """Numbers of a vector."""
        return int(self.codes.shape[1])

    def search(self, query: NDArray[np.floating], k: int = 5) -> list[Hit]:
        """The `k` texts, or all if there are fewer, with the largest cosines, the first best, then by position.

        `query` [size] is of length 1. Raises DataError for another size, or a k below 1.
        """
        if k < 1:
            raise DataError(f"k is {k}: ask for 1 text or more")
        if query.shape != (self.size,):
            raise DataError(f"the query has {list(query.shape)} numbers, the index {self.size}: embed it the same way")
        scores = self.scores(query)
        best = np.argsort(-scores, kind="stable")[:k] if k >= len(scores) else _largest(scores, k)
        return [Hit(int(i), float(scores[i]), self.texts[i]) for i in best]

    def scores(self, query: NDArray[np.floating]) -> NDArray[np.float32]:
        """The cosine [n] of the query [size] with every vector."""
        wanted, found = np.asarray(query, np.float32), np.empty(len(self.codes), np.float32)
        for start in range(0, len(found), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            found[rows] = self.codes[rows].astype(np.float32) @ wanted * self.scales[rows]
        return found


def make_index(vectors: NDArray[np.floating], texts: Sequence[str], bundle: str = "", model: str = "") -> VectorIndex:
    """Rounds vectors [n, size] to 8 bits, each by its own largest number. Raises DataError when there are none."""
    if vectors.ndim != 2 or len(vectors) != len(texts) or not len(texts):
        raise DataError(f"{list(vectors.shape)} vectors of {len(texts)} texts make no index: give one vector a text")
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not (np.isfinite(largest).all() and (largest > 0).all()):
        raise DataError("a vector is zero or not of numbers, which has no direction: run `penjing verify`")
    codes = np.rint(vectors / largest * 127).astype(np.int8)
    scales = (1 / np.linalg.norm(codes.astype(np.float32), axis=1)).astype(np.float32)
    return VectorIndex(codes, scales, tuple(texts), bundle, model)


def write_index(index: VectorIndex, folder: Path) -> None:
    """Writes the two files; one that is there is replaced. Raises OSError when the system refuses it."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in index.texts).encode()
    arrays: dict[str, Any] = {"codes": index.codes, "scales": index.scales}
    words = {"bundle": index.bundle, "model": index.model, "texts_sha256": hashlib.sha256(texts).hexdigest()}
    packed = io.BytesIO()
    arrays.update((name, np.array(word)) for name, word in words.items())
    np.savez(packed, **arrays)
    # The vectors carry the texts' hash, so of two that do not belong together none is believed.
    for name, content in ((TEXTS_NAME, texts), (VECTORS_NAME, packed.getvalue())):
        part = folder / f".{name}.part"
        part.write_bytes(content)
        os.replace(part, folder / name)


def read_index(folder: Path) -> VectorIndex:
    """What `write_index` wrote. Raises DataError when it is not that."""
    try:
        texts = (folder / TEXTS_NAME).read_bytes()
        with np.load(folder / VECTORS_NAME, allow_pickle=False) as arrays:
            codes, scales = arrays["codes"], arrays["scales"]
            bundle, model, digest = (str(arrays[name]) for name in ("bundle", "model", "texts_sha256"))
    except FileNotFoundError:
        raise DataError(f"{folder} is no index of vectors: name the folder that `penjing embed --to` wrote") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{folder} cannot be read as an index ({reason}): run `penjing embed` again") from None
    if hashlib.sha256(texts).hexdigest() != digest:
        raise DataError(f"{folder / TEXTS_NAME} is not the file that the vectors are of: run `penjing embed` again")
    lines = tuple(json.loads(line) for line in texts.decode().split("\n") if line)
    shapes = codes.ndim == 2 and codes.dtype == np.int8 and scales.shape == (len(lines),) == codes.shape[:1]
    if not shapes:
        raise DataError(f"{folder} holds {len(lines)} texts and codes {list(codes.shape)}: run `penjing embed` again")
    return VectorIndex(codes, scales.astype(np.float32), lines, bundle, model)


def _largest(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k largest, in order; of equal ones the first."""
    edge = np.partition(scores, -k)[-k]
    among = np.flatnonzero(scores >= edge)
    best: NDArray[np.int64] = among[np.argsort(-scores[among], kind="stable")[:k]]
    return best
