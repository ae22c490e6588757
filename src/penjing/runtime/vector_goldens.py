"""Goldens of a sentence encoder: texts with their token ids, and the vector that every model file gave them.

A vector decides nothing alone: here each golden decides which other golden is nearest to it. Replayed on another
machine from the bundle alone, a nearest one that differs is a flip, unless the two were as good as equally near. Left
out: quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .embedder import OUTPUT, truncate
from .engine import Engine, open_engine
from .errors import BundleError
from .goldens import FP32_TOLERANCE, GOLDENS_NAME, read_golden_lines
from .tokenizer import TOKENIZER_NAME, TextTokenizer

DIGITS = 6
TIE = 0.01
"""Cosines that differ by no more are a tie: another CPU may round an int8 file differently."""


@dataclass(frozen=True)
class VectorGolden:
    """One text: its ids and mask, unpadded; `vectors` of length 1 by model file."""

    text: str
    input_ids: tuple[int, ...]
    attention_mask: tuple[int, ...]
    vectors: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class VectorReport:
    """A replay of `n` goldens on `file`: `flips` have another nearest golden or are not numbers, `largest_difference`
    is that of any number of a vector, `token_differences` texts have other token ids."""

    file: str
    n: int
    flips: int
    largest_difference: float
    token_differences: int


def make_vector_goldens(
    texts: Sequence[str], tokenizer: TextTokenizer, engines: Mapping[str, Engine]
) -> tuple[VectorGolden, ...]:
    """Runs every text through every engine (file name -> engine), one at a time as a device does."""
    goldens = []
    for text in texts:
        encoded = tokenizer.encode([text])
        answers = {name: _vector(engine, encoded.inputs) for name, engine in engines.items()}
        vectors = {name: tuple(round(float(value), DIGITS) for value in answer) for name, answer in answers.items()}
        ids, mask = tuple(encoded.input_ids[0].tolist()), tuple(encoded.attention_mask[0].tolist())
        goldens.append(VectorGolden(text, ids, mask, vectors))
    return tuple(goldens)


def read_vector_goldens(folder: Path) -> tuple[VectorGolden, ...]:
    """Reads `goldens.jsonl`; raises BundleError that names the line that is broken."""
    return read_golden_lines(folder, _from_json)


def replay_vectors(bundle: Bundle, file: str, threads: int = 1) -> VectorReport:
    """Tokenizes the goldens' texts and runs the goldens' own ids through `file`.

    Raises BundleError when a file is changed or has no goldens, EngineError when the engine is missing or refuses it.
    """
    goldens = read_vector_goldens(bundle.verified(GOLDENS_NAME).parent)
    if not goldens or any(file not in golden.vectors for golden in goldens):
        raise BundleError(
            f"{GOLDENS_NAME} says nothing about {file!r}, so it cannot be replayed: make the bundle again"
        )
    tokenizer = TextTokenizer(bundle.verified(TOKENIZER_NAME).parent, bundle.manifest.max_length)
    engine = open_engine(bundle.verified(file), bundle.manifest.files[file].format, threads)
    differences = sum(
        tuple(tokenizer.encode([golden.text]).input_ids[0].tolist()) != golden.input_ids for golden in goldens
    )
    expected = np.array([golden.vectors[file] for golden in goldens])
    found = np.array([_vector(engine, golden_feed(golden)) for golden in goldens], np.float64)
    if found.shape != expected.shape:
        raise BundleError(f"{file} gives vectors of {found.shape[1]} numbers, not {expected.shape[1]}: copy it again")
    flips = int(neighbour_flips(expected, found).sum())
    return VectorReport(file, len(goldens), flips, float(np.abs(expected - found).max()), differences)


def neighbour_flips(expected: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[n]: whose nearest of the other `expected` vectors [n, size] is another one for the vector that was `found`.

    A tie within TIE is no flip; what is not of numbers is one. All are of length 1.
    """
    rows = np.arange(len(expected))
    before, now = expected @ expected.T, found @ expected.T
    before[rows, rows] = now[rows, rows] = -np.inf
    broken = ~np.isfinite(found).all(axis=1)
    chosen = np.where(broken, 0, np.nan_to_num(now, nan=-np.inf, neginf=-np.inf).argmax(axis=1))
    flips: NDArray[np.bool_] = before.max(axis=1) - before[rows, chosen] > TIE
    return flips | broken


def vector_problems(report: VectorReport, precision: str | None) -> tuple[str, ...]:
    """What a replay found wrong, a sentence each; empty when the file behaves as it did where it was made."""
    problems = []
    if report.token_differences:
        problems.append(f"{report.token_differences} of {report.n} texts have other token ids: update `tokenizers`")
    if report.flips:
        problems.append(
            f"{report.file} finds another nearest text for {report.flips} of {report.n}: do not use it on this machine"
        )
    if precision == "fp32" and not report.largest_difference <= FP32_TOLERANCE:
        problems.append(
            f"{report.file} is off by {report.largest_difference:.2g} in a vector, allowed is {FP32_TOLERANCE:g}:"
            " update the engine"
        )
    return tuple(problems)


def golden_feed(golden: VectorGolden) -> dict[str, NDArray[np.int64]]:
    """What an engine gets of it, [1, tokens]."""
    ids, mask = np.array([golden.input_ids], np.int64), np.array([golden.attention_mask], np.int64)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _vector(engine: Engine, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    answer = engine.run(feed)[OUTPUT]
    vector: NDArray[np.float32] = truncate(answer, answer.shape[1])[0]
    return vector


def _from_json(raw: dict[str, Any]) -> VectorGolden:
    vectors = {str(name): tuple(float(value) for value in row) for name, row in raw["vectors"].items()}
    return VectorGolden(str(raw["text"]), tuple(raw["input_ids"]), tuple(raw["attention_mask"]), vectors)
