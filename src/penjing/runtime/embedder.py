"""A bundle that gives vectors: text in, a vector of length 1 out; texts of like meaning point in like directions.

The model gives the direction, the length is made 1 here, so that a dot product is a cosine. Left out: searching among
vectors (`vector_search.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle, choose_file, open_bundle
from .engine import Engine, open_engine
from .errors import BundleError, DataError, EngineError
from .manifest import EMBEDDING_TASK, use_instead
from .tokenizer import TOKENIZER_NAME, TextTokenizer, check_text

OUTPUT, FUNCTION = "vector", "normalize"
"""Not `embedding`: torch gives that name to values of the graph, and an output must have one of its own."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Embedding:
    """`vector` [size] of length 1 of one text; `truncated` says that the text's end had no say."""

    vector: Vectors
    truncated: bool

    @property
    def summary(self) -> str:
        """The answer in a few words, as in every kind of answer."""
        return f"a vector of {len(self.vector)} numbers"


@dataclass(frozen=True)
class Embeddings:
    """`vectors` [n, size] of length 1, and which texts were longer than the model takes, so that their end had no
    say."""

    vectors: Vectors
    truncated: tuple[bool, ...]


@dataclass(frozen=True)
class Embedder:
    """A model file of a sentence encoder's bundle, opened; made by `load`. Vectors have `size` numbers; the first ones
    alone, as many as one of `cuts` says, serve as a shorter vector."""

    bundle: Bundle
    file: str
    tokenizer: TextTokenizer
    engine: Engine
    size: int
    cuts: tuple[int, ...] = ()

    def embed(self, text: str, size: int | None = None) -> Vectors:
        """The vector [size] of one text, cut short to `size` if that is given.

        Raises DataError when the text is empty or the encoder was not trained to be cut to that size.
        """
        return self.ask(text, size).vector

    def ask(self, text: str, size: int | None = None) -> Embedding:
        """As `embed`, and whether the text was longer than the model takes."""
        check_text(text, "the text")
        found = self._vectors([text], size)
        return Embedding(found.vectors[0], found.truncated[0])

    def embed_many(self, texts: Sequence[str], size: int | None = None, batch_size: int = 32) -> Embeddings:
        """The vectors in the order of `texts`. Raises DataError that names the first empty text, or as `embed` does."""
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}: give 1 or more")
        for i, text in enumerate(texts):
            check_text(text, f"text {i + 1} of {len(texts)}")
        at_once = 1 if self._one_by_one else batch_size
        # Texts of about equal length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors, truncated = np.empty((len(texts), self._checked(size)), np.float32), [False] * len(texts)
        for start in range(0, len(order), at_once):
            batch = order[start : start + at_once]
            found = self._vectors([texts[i] for i in batch], size)
            vectors[batch] = found.vectors
            for i, cut in zip(batch, found.truncated, strict=True):
                truncated[i] = cut
        return Embeddings(vectors, tuple(truncated))

    @property
    def _one_by_one(self) -> bool:
        """Whether a batch would move its texts' vectors: dynamic int8 takes one scale for all that it is given."""
        return "DynamicQuantizeLinear" in self.bundle.manifest.files[self.file].ops

    def _vectors(self, texts: list[str], size: int | None) -> Embeddings:
        encoded = self.tokenizer.encode(texts)
        vectors = truncate(self.engine.run(encoded.inputs)[OUTPUT], self._checked(size))
        if not np.isfinite(vectors).all():
            raise EngineError(f"{self.file} answered with vectors that are not numbers: run `penjing verify`")
        return Embeddings(vectors, encoded.truncated)

    def _checked(self, size: int | None) -> int:
        if size is None:
            return self.size
        if size not in (*self.cuts, self.size):
            known = ", ".join(map(str, (*self.cuts, self.size)))
            raise DataError(f"{self.bundle.folder} gives no vectors of {size} numbers: choose of {known}")
        return size


def truncate(vectors: NDArray[np.floating], size: int) -> Vectors:
    """The first `size` numbers of each of the vectors [n, more], at length 1. A vector of zeros becomes NaN."""
    short = np.asarray(vectors[:, :size], np.float32)
    with np.errstate(invalid="ignore"):
        unit: Vectors = short / np.linalg.norm(short, axis=1, keepdims=True)
    return unit


def load_embedder(
    path: Path | str, engine: str | None = None, precision: str | None = None, threads: int = 1
) -> Embedder:
    """As `load`, for a bundle that must be a sentence encoder: raises BundleError for another."""
    bundle = open_bundle(path)
    if bundle.manifest.task != EMBEDDING_TASK:
        task = bundle.manifest.task
        raise BundleError(f"{bundle.folder} is for {task}, no sentence encoder: use {use_instead(task)}")
    return open_embedder(bundle, choose_file(bundle, engine, precision), threads)


def open_embedder(bundle: Bundle, file: str, threads: int = 1) -> Embedder:
    """Opens a model file of a sentence encoder's bundle. Raises BundleError or EngineError as `load` does."""
    said, max_length = bundle.manifest.postprocess, bundle.manifest.max_length
    if said.get("function") != FUNCTION:
        raise BundleError(
            f"the manifest asks for {said.get('function')!r} after the vectors, this Penjing knows {FUNCTION!r}:"
            " update Penjing"
        )
    try:
        size, cuts = int(said["size"]), tuple(int(cut) for cut in said["cuts"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the manifest's postprocess lacks or misstates {error}: copy the bundle again") from None
    model, tokenizer = bundle.verified(file), bundle.verified(TOKENIZER_NAME)
    opened = open_engine(model, bundle.manifest.files[file].format, threads)
    shape = next((spec.shape for spec in opened.outputs if spec.name == OUTPUT), ())
    if not shape or (isinstance(shape[-1], int) and shape[-1] != size):
        raise BundleError(f"{file} has no output {OUTPUT!r} of {size} numbers (found {shape}): copy the bundle again")
    return Embedder(bundle, file, TextTokenizer(tokenizer.parent, max_length), opened, size, cuts)
