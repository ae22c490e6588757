"""What to measure and how: the values that every target takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.bundle import Bundle
from ..runtime.manifest import Quality
from .measurement import MODES, Mode

SUSTAINED_SECONDS = 600.0
PASSES = 5
"""A burst and a paced run go about so often through all their conditions, with engines opened anew."""


@dataclass(frozen=True)
class Subject:
    """One model file of one bundle under a label. `engine` and `precision` as in `penjing.runtime.load`."""

    label: str
    folder: Path
    engine: str | None = None
    precision: str | None = None


def subjects_of(bundles: Iterable[tuple[str, Bundle]], label: Callable[[str, str], str]) -> list[Subject]:
    """One subject a model file, labelled by `label(name, file)` of its bundle's name here and its own."""
    return [
        Subject(label(name, file), bundle.folder, entry.format, entry.precision)
        for name, bundle in bundles
        for file, entry in ((file, bundle.manifest.files[file]) for file in bundle.model_files)
    ]


@dataclass(frozen=True)
class SubjectFacts:
    """What a subject turned out to be: the bundle's name, the chosen file, its size on disk, hash and quality."""

    label: str
    bundle: str
    file: str
    engine: str
    precision: str
    bytes: int
    sha256: str = ""
    quality: Quality | None = None


@dataclass(frozen=True)
class Plan:
    """How to measure. `texts` are real ones in their real lengths; detectors get `samples` [n, window, channels].

    Each round times `repeats` calls of each subject at each of the `lengths` (tokens, or a detector's window) and
    thread counts, and a share of the texts or samples, so that each pass asks every one once. Cold starts take
    `cold_rounds` fresh processes of each subject, and of a `transformers` pipeline on `transformers_folder` if one is
    given. A `sustained` run lasts `seconds` and takes the engines alone, at the longest length and the first thread
    count. `cores` are those the process may use; None: all. Raises ValueError on a plan that measures nothing.
    """

    texts: tuple[str, ...] = ()
    lengths: tuple[int, ...] = (32, 128)
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 20
    repeats: int = 10
    cold_rounds: int = 5
    seed: int = 1
    transformers_folder: Path | None = None
    samples: NDArray[np.float32] | None = None
    mode: Mode = "burst"
    cores: tuple[int, ...] | None = None
    seconds: float = SUSTAINED_SECONDS

    def __post_init__(self) -> None:
        if (
            not len(self.questions)
            or not self.threads
            or min(*self.threads, self.rounds, self.repeats, self.cold_rounds) < 1
        ):
            raise ValueError("a plan needs texts or samples, threads, rounds, repeats and cold_rounds of at least 1")
        if self.mode not in MODES or self.seconds <= 0:
            raise ValueError(f"mode {self.mode!r}, {self.seconds} seconds: one of {', '.join(MODES)}, above 0 seconds")
        if self.samples is None and any(length < 2 for length in self.lengths):
            raise ValueError(f"lengths {self.lengths}: at least 2 tokens each")

    @property
    def passes(self) -> int:
        """How often the run goes through its conditions: the most up to PASSES that divide the rounds."""
        most = 1 if self.mode == "sustained" else PASSES
        return max(n for n in range(1, most + 1) if self.rounds % n == 0)

    @property
    def pass_rounds(self) -> int:
        """Rounds of a condition in each pass."""
        return self.rounds // self.passes

    @property
    def questions(self) -> Sequence[Any]:
        """The texts, or the samples."""
        return self.texts if self.samples is None else list(self.samples)

    @property
    def questions_hash(self) -> str:
        """Equal for equal texts or samples; of the user's texts nothing can be read from it."""
        asked = repr(self.texts).encode() if self.samples is None else self.samples.tobytes()
        return hashlib.sha256(asked).hexdigest()[:16]
