"""A detector of texts on the command line: single texts, lines as they come, lines to calibrate on.

Each line is a sample. Left out: tables, whose column of texts would have to be named, and notices of drift.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..runtime.detector import Detector
from ..runtime.errors import DataError
from ..runtime.policy import decide, no_votes
from ..runtime.text_samples import TextScores
from .sample_lines import blocks, named
from .terminal import note, print_table

TEXTS_AT_ONCE = 256
PREDICTED = ("score", "threshold", "alarm", "text")
WATCHED = ("line", *PREDICTED)
Line = tuple[int, str]
"""A line's number, from 1, and its text."""


def print_text_answers(detector: Detector, texts: Sequence[str], as_json: bool) -> None:
    """Every text with its score and whether that is above the threshold. Raises BundleError as `score_texts` does."""
    found = _scored(detector, texts)
    alarms = detector.above(found.scores)
    if as_json:
        for text, score, alarm, cut in zip(texts, found.scores, alarms, found.truncated, strict=True):
            print(json.dumps({"text": text, **_plain(detector, score, alarm), "truncated": cut}, ensure_ascii=False))
        return
    rows = zip(texts, found.scores, alarms, strict=True)
    print_table(PREDICTED, [(*_cells(detector, score, alarm), text) for text, score, alarm in rows])
    _note_cut(detector, found.truncated)


def watch_texts(detector: Detector, source: str, *, follow: bool, show_all: bool, as_json: bool) -> None:
    """Prints alarms among lines of text as they come. Raises DataError for a line that is not UTF-8, by its number."""
    if not as_json:
        print_table(WATCHED, ())
    votes, seen, count, cut = no_votes(detector.policy), 0, 0, list[bool]()
    for lines in text_lines(source, follow):
        found = detector.score_texts([text for _, text in lines])
        alarms, votes = decide(detector.policy, detector.above(found.scores), votes)
        seen, count, cut = seen + len(lines), count + int(alarms.sum()), [*cut, *(c for c in found.truncated if c)]
        for (number, text), score, alarm in zip(lines, found.scores, alarms, strict=True):
            if not (alarm or show_all):
                continue
            if as_json:
                print(json.dumps({"line": number, "text": text, **_plain(detector, score, alarm)}, ensure_ascii=False))
            else:
                print_table((str(number), *_cells(detector, score, alarm), text), ())
        sys.stdout.flush()
    note(f"{seen} texts, {count} alarms")
    if cut:
        note(f"{len(cut)} texts are longer than {detector.window} tokens and were cut")


def held_out_scores(detector: Detector, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores [n] of texts that all count as normal, and marks [n], all false, to choose a threshold by."""
    return _scored(detector, texts).scores.astype(np.float64), np.zeros(len(texts), np.bool_)


def all_texts(source: str, label: str | None) -> list[str]:
    """The lines of `source`. Raises DataError when there are none, or a column is asked for."""
    if label is not None:
        raise DataError(f"lines of text have no column {label!r}: give normal texts, a line each, and no --label")
    texts = [text for lines in text_lines(source) for _, text in lines]
    if not texts:
        raise DataError(f"{named(source)} holds no text: give one text a line")
    return texts


def text_lines(source: str, follow: bool = False) -> Iterator[list[Line]]:
    """Lines with text in them, as they arrive; the last one needs no end. Raises DataError for broken UTF-8."""
    rest, number = b"", 0
    for block in blocks(source, follow):
        *raw, rest = (rest + block).split(b"\n")
        found = [_decoded(source, number + i, line) for i, line in enumerate(raw, start=1)]
        number += len(raw)
        if kept := [line for line in found if line[1]]:
            yield kept
    if rest.strip():
        yield [_decoded(source, number + 1, rest)]


def _decoded(source: str, number: int, raw: bytes) -> Line:
    try:
        return number, raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError:
        raise DataError(f"{named(source)}, line {number}: it is not UTF-8: convert the file") from None


def _scored(detector: Detector, texts: Sequence[str]) -> TextScores:
    starts = range(0, len(texts), TEXTS_AT_ONCE)
    # One batch takes no two seconds, so it gets no bar.
    bar = tqdm(starts, "score", disable=True if len(starts) == 1 else None, unit_scale=TEXTS_AT_ONCE)
    parts = [detector.score_texts(texts[start : start + TEXTS_AT_ONCE]) for start in bar]
    truncated = tuple(cut for part in parts for cut in part.truncated)
    return TextScores(np.concatenate([part.scores for part in parts]), truncated)


def _plain(detector: Detector, score: np.float32, alarm: np.bool_) -> dict[str, float | bool]:
    return {"score": float(score), "threshold": detector.calibrated().threshold, "alarm": bool(alarm)}


def _cells(detector: Detector, score: np.float32, alarm: np.bool_) -> tuple[str, str, str]:
    return f"{score:.6g}", f"{detector.calibrated().threshold:.6g}", "alarm" if alarm else ""


def _note_cut(detector: Detector, truncated: Sequence[bool]) -> None:
    if cut := sum(truncated):
        note(f"{cut} of {len(truncated)} texts are longer than {detector.window} tokens and were cut")
