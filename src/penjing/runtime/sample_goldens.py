"""Goldens of a detector: samples and the score that every model file gave them when the bundle was made.

Replayed on another machine from the bundle alone. `alarm` records the first file's decision at that time; a replay
compares decisions at the manifest's threshold of today, which `penjing calibrate` may have moved. Left out: quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .calibration import Threshold
from .detector import INPUT, OUTPUT, open_detector
from .engine import Engine
from .errors import BundleError, EngineError
from .goldens import GOLDENS_NAME, read_golden_lines, with_margin

RELATIVE_TOLERANCE = 1e-3
"""Largest relative difference of an fp32 score between machines. An int8 file may round differently: its decision must
stay."""
SMALLEST_MARGIN = 0.02
"""How far a golden's score is from its threshold, relative as above: nearer, an int8 file decides as engines round."""


@dataclass(frozen=True)
class SampleGolden:
    """One sample [window][channels], its score from each model file, and whether the first file's is above its
    threshold.
    """

    samples: tuple[tuple[float, ...], ...]
    scores: Mapping[str, float]
    alarm: bool


@dataclass(frozen=True)
class SampleReport:
    """A replay of `n` goldens on `file`: `flips` decisions differ, `largest_difference` is the largest relative one."""

    file: str
    n: int
    flips: int
    largest_difference: float


def make_sample_goldens(
    windows: NDArray[Any], engines: Mapping[str, Engine], thresholds: Mapping[str, Threshold]
) -> tuple[SampleGolden, ...]:
    """Runs each of `windows` [n, window, channels] through every engine (file name -> engine), one at a time."""
    first, goldens = next(iter(engines)), []
    for window in np.asarray(windows, np.float32):
        scores = {name: _short(engine.run({INPUT: window[None]})[OUTPUT].flat[0]) for name, engine in engines.items()}
        samples = tuple(tuple(_short(value) for value in row) for row in window)
        goldens.append(SampleGolden(samples, scores, scores[first] > thresholds[first].threshold))
    return tuple(goldens)


def steady_sample_goldens(goldens: Sequence[SampleGolden], thresholds: Mapping[str, Threshold]) -> list[SampleGolden]:
    """Those that every file scores SMALLEST_MARGIN or more from its threshold; where those are few, the furthest."""

    def margin(file: str, score: float) -> float:
        limit = thresholds[file]
        return float(abs(score - limit.threshold) / limit.scales(np.array([score]))[0])

    margins = [min(margin(*pair) for pair in golden.scores.items()) for golden in goldens]
    return with_margin(goldens, margins, SMALLEST_MARGIN)


def read_sample_goldens(folder: Path) -> tuple[SampleGolden, ...]:
    """Reads `goldens.jsonl`; raises BundleError that names the line that is broken."""
    return read_golden_lines(folder, _from_json)


def replay_samples(bundle: Bundle, file: str, threads: int = 1) -> SampleReport:
    """Scores the goldens' samples with `file` and compares scores and decisions.

    A difference counts relative to the recorded score, or to the usual spread of normal scores where that is larger. A
    decision counts as flipped unless both scores are on the threshold within the tolerance. Raises BundleError when a
    file is changed or has no goldens, EngineError when the engine is missing or refuses the file.
    """
    goldens = read_sample_goldens(bundle.verified(GOLDENS_NAME).parent)
    if not goldens or any(file not in golden.scores for golden in goldens):
        raise BundleError(
            f"{GOLDENS_NAME} says nothing about {file!r}, so it cannot be replayed: make the bundle again"
        )
    detector = open_detector(bundle, file, threads)
    threshold = detector.calibrated()
    try:
        windows = np.array([golden.samples for golden in goldens], np.float32)
        answers = [detector.engine.run({INPUT: window[None]})[OUTPUT].flat[0] for window in windows]
    except (EngineError, ValueError) as error:
        raise BundleError(f"{GOLDENS_NAME} holds samples of another shape ({error}): make the bundle again") from None
    expected, found = np.array([golden.scores[file] for golden in goldens]), np.array(answers, np.float64)
    scale = threshold.scales(expected)
    at_threshold = np.maximum(np.abs(expected - threshold.threshold), np.abs(found - threshold.threshold))
    flips = (detector.above(expected) != detector.above(found)) & ~(at_threshold <= RELATIVE_TOLERANCE * scale)
    flips |= ~np.isfinite(found)
    return SampleReport(file, len(goldens), int(flips.sum()), float((np.abs(found - expected) / scale).max()))


def sample_problems(report: SampleReport, precision: str | None) -> tuple[str, ...]:
    """What a replay found wrong, a sentence each; empty when the file behaves as it did where it was made."""
    problems = []
    if report.flips:
        problems.append(
            f"{report.file} decides {report.flips} of {report.n} samples differently: do not use it on this machine"
        )
    if precision == "fp32" and not report.largest_difference <= RELATIVE_TOLERANCE:
        problems.append(
            f"{report.file} is off by {report.largest_difference:.2g} of a score, allowed is {RELATIVE_TOLERANCE:g}:"
            " update the engine"
        )
    return tuple(problems)


def _short(value: Any) -> float:
    """The shortest decimal number that is this float32."""
    return float(str(np.float32(value)))


def _from_json(raw: dict[str, Any]) -> SampleGolden:
    samples = tuple(tuple(float(value) for value in row) for row in raw["samples"])
    scores = {str(name): float(score) for name, score in raw["scores"].items()}
    return SampleGolden(samples, scores, bool(raw["alarm"]))
