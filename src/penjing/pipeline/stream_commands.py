"""The commands of a detector bundle on data: watch a stream, calibrate thresholds. Both need the base install alone.

Left out: reading lines (`sample_lines.py`), and all arithmetic, which the runtime does as on the device.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from ..runtime.bundle import open_bundle
from ..runtime.calibration import QUANTILES, Threshold, few_rows
from ..runtime.calibration import calibrate as choose_threshold
from ..runtime.detector import Detector, load_detector, open_detector, thresholds_of
from ..runtime.drift import DriftNotice
from ..runtime.errors import BundleError, DataError, EngineError, EngineMissingError
from ..runtime.manifest import DETECTOR_TASK, write_manifest
from ..runtime.samples import SampleError
from ..runtime.stream import Answers, Stream
from ..runtime.tflite_engine import METADATA_NAME
from .sample_lines import STDIN, Rows, SampleLines, blocks, named
from .terminal import note, print_table
from .text_alarms import all_texts, held_out_scores, watch_texts

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The detector bundle's folder.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the engine.")]
COLUMNS, WIDTHS = ("time", "line", "score", "threshold", "alarm", "drivers"), (27, 8, 12, 12, 5, 0)
_A_DATE = 1e8
"""Seconds beyond this are since 1970, and shown as a date."""


def watch(
    bundle: BundleFolder,
    source: Annotated[str, typer.Option("--input", help="A CSV or JSON-lines file; - for stdin.")] = STDIN,
    engine: Annotated[Literal["onnx", "tflite"] | None, typer.Option(help="If not given: onnx, then tflite.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32 or int8; if not given: int8, then fp32.")] = None,
    threads: Threads = 1,
    show_all: Annotated[bool, typer.Option("--all", help="Every sample, not only alarms.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more at the end of the file.")] = False,
) -> None:
    """Follows a stream of samples and prints alarms as they come: time, score, threshold and what drove it.

    Columns are matched to the bundle's features by name. A notice on stderr says when normal scores drift. A detector
    of texts takes plain lines, and shows the text of each alarm.

    \b
    Examples:
      penjing watch runs/bearings/bundle --input sensor.csv
      tail -f sensor.jsonl | penjing watch runs/bearings/bundle --json
    """
    detector = load_detector(bundle, engine, precision, threads)
    if detector.tokenizer is not None:
        watch_texts(detector, source, follow=follow, show_all=show_all, as_json=as_json)
        return
    stream, lines = detector.stream(), SampleLines(named(source), detector.features)
    show = _json_lines if as_json else _table_lines
    if not as_json:
        _print_rows([COLUMNS])
    alarms = 0
    for rows, answers in _answers(stream, lines, source, follow):
        show(detector, rows, answers, show_all)
        alarms += int(answers.alarms.sum())
    note(f"{stream.seen} samples, {alarms} alarms")


def calibrate(
    bundle: BundleFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Held-out samples: CSV or JSON lines; - for stdin.")],
    false_alarms: Annotated[float | None, typer.Option(help="Share of normal samples that may be above.")] = None,
    method: Annotated[Literal["conformal", "best-f1", "pot"], typer.Option(help="How to choose it.")] = "conformal",
    label: Annotated[str | None, typer.Option(help="Column with 1 for anomalies, 0 for normal samples.")] = None,
    threads: Threads = 1,
) -> None:
    """Moves the thresholds of a bundle, without another export: scores DATA with every model file.

    Without --label all of DATA counts as normal; of a detector of texts it is plain lines. A model file whose engine
    is not installed keeps its threshold.

    \b
    Examples:
      penjing calibrate runs/bearings/bundle held_out.csv --false-alarms 0.01
      penjing calibrate runs/bearings/bundle labelled.csv --method best-f1 --label anomaly
    """
    _check_options(method, false_alarms, label)
    opened = open_bundle(bundle)
    if opened.manifest.task != DETECTOR_TASK:
        raise BundleError(f"{bundle} is for {opened.manifest.task}, no detector: it has no threshold to calibrate")
    old = thresholds_of(opened.manifest)
    new, cells = dict(old), list[Sequence[str]]()
    rows: Rows | None = None
    texts: list[str] | None = None
    for file in opened.model_files:
        try:
            detector = open_detector(opened, file, threads)
        except EngineMissingError as error:
            note(f"{file} keeps its threshold: {error}")
            continue
        if detector.tokenizer is not None:
            texts = texts if texts is not None else all_texts(data, label)
            scored = held_out_scores(detector, texts)
        else:
            rows = rows if rows is not None else _all_rows(detector, data, label)
            scored = _held_out_scores(detector, rows, named(data))
        new[file] = choose_threshold(method, *scored, false_alarms)
        cells.append(_threshold_row(file, old.get(file), new[file]))
    if not cells:
        raise EngineError("no model file could be calibrated: install an engine, see `penjing doctor`")
    plain = {file: threshold.to_plain() for file, threshold in new.items()}
    manifest = opened.manifest
    write_manifest(replace(manifest, postprocess={**manifest.postprocess, "thresholds": plain}), opened.folder)
    print_table(("file", "method", "old threshold", "threshold", "asked", "95% interval", "normal rows"), cells)
    for warning in dict.fromkeys(few_rows(new[cell[0]]) for cell in cells):
        if warning:
            note(warning)
    for file in (cell[0] for cell in cells):
        if METADATA_NAME in opened.verified(file).read_bytes():
            note(f"{file} itself is unchanged: other readers of its metadata still find the threshold of its export")


def _answers(stream: Stream, lines: SampleLines, source: str, follow: bool) -> Iterator[tuple[Rows, Answers]]:
    """Pushes what comes; raises the DataError of a bad line after the answers to those before it."""
    for block in blocks(source, follow):
        rows, error = lines.take(block)
        yield from _pushed(stream, lines, rows)
        if error is not None:
            raise error
    if (unfinished := lines.unfinished()) is not None:
        note(unfinished)


def _pushed(stream: Stream, lines: SampleLines, rows: Rows) -> Iterator[tuple[Rows, Answers]]:
    if not len(rows):
        return
    try:
        answers = stream.push(rows.values, rows.times or None)
    except SampleError as error:
        yield from _pushed(stream, lines, rows.until(error.row))
        raise lines.error(rows.lines[error.row], error.reason) from None
    yield rows, answers


def _table_lines(detector: Detector, rows: Rows, answers: Answers, show_all: bool) -> None:
    threshold = f"{detector.calibrated().threshold:.6g}"
    shown = []
    for row in _shown(answers, show_all):
        drivers = ", ".join(f"{driver.feature} {driver.share:.0%}" for driver in answers.drivers.get(row, ()))
        score = "" if math.isnan(answers.scores[row]) else f"{answers.scores[row]:.6g}"
        alarm = "alarm" if answers.alarms[row] else ""
        shown.append((_moment(rows, row), str(rows.lines[row]), score, threshold, alarm, drivers))
    if shown:
        _print_rows(shown)
    for notice in answers.notices:
        note(_drift_words(notice))


def _json_lines(detector: Detector, rows: Rows, answers: Answers, show_all: bool) -> None:
    for row in _shown(answers, show_all):
        score = float(answers.scores[row])
        answer = {
            "time": rows.times[row] if rows.times else None,
            "line": rows.lines[row],
            "score": None if math.isnan(score) else score,
            "threshold": detector.calibrated().threshold,
            "alarm": bool(answers.alarms[row]),
            "drivers": {driver.feature: driver.share for driver in answers.drivers.get(row, ())},
        }
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    for notice in answers.notices:
        drift = {"drift": notice.kind, "sample": notice.sample, "psi": notice.psi, "limit": notice.limit}
        print(json.dumps(drift), flush=True)


def _shown(answers: Answers, show_all: bool) -> Sequence[int]:
    return range(len(answers.scores)) if show_all else np.flatnonzero(answers.alarms).tolist()


def _print_rows(rows: Sequence[Sequence[str]]) -> None:
    """At once, and on a terminal in columns that are as wide from batch to batch."""
    widths = WIDTHS if sys.stdout.isatty() else (0,) * len(WIDTHS)
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    print_table(padded[0], padded[1:])
    sys.stdout.flush()


def _moment(rows: Rows, row: int) -> str:
    if not rows.times:
        return ""
    seconds = rows.times[row]
    if seconds < _A_DATE:
        return f"{seconds:.15g}"
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def _drift_words(notice: DriftNotice) -> str:
    side = "over" if notice.kind == "begins" else "under"
    return (
        f"drift {notice.kind} at sample {notice.sample}: the scores of normal samples differ from calibration by a PSI"
        f" of {notice.psi:.2f}, {side} {notice.limit:.2f}"
        + ("; if this is the new normal, calibrate again" if notice.kind == "begins" else "")
    )


def _check_options(method: str, false_alarms: float | None, label: str | None) -> None:
    """Before anything is scored. Raises DataError when the options do not go together."""
    if method == "best-f1" and (label is None or false_alarms is not None):
        raise DataError("best-f1 chooses by labels and takes no rate: give --label COLUMN, and no --false-alarms")
    if method != "best-f1" and false_alarms is None:
        raise DataError(f"{method} needs the rate that you want: give --false-alarms, such as 0.01")


def _all_rows(detector: Detector, data: str, label: str | None) -> Rows:
    lines, parts = SampleLines(named(data), detector.features, label), list[Rows]()
    for block in blocks(data):
        rows, error = lines.take(block)
        if error is not None:
            raise error
        parts.append(rows)
    if (unfinished := lines.unfinished()) is not None:
        note(unfinished)
    if not sum(map(len, parts)):
        raise DataError(f"{named(data)} holds no samples: give a header and rows, or JSON lines")
    return Rows(
        np.concatenate([part.values for part in parts]),
        tuple(line for part in parts for line in part.lines),
        tuple(time for part in parts for time in part.times),
        tuple(mark for part in parts for mark in part.labels),
    )


def _held_out_scores(detector: Detector, rows: Rows, source: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores as the stream will give them, and whether any sample of their window is an anomaly."""
    # Only the scores are wanted: without alarms there is nothing to explain.
    stream = replace(detector, threshold=_OUT_OF_REACH).stream()
    try:
        scores = stream.push(rows.values, rows.times or None).scores.astype(np.float64)
    except SampleError as error:
        raise DataError(f"{source}, line {rows.lines[error.row]}: {error.reason}") from None
    scored = ~np.isnan(scores)
    if not scored.any():
        raise DataError(
            f"{source} has {len(rows)} samples, in which no window of {detector.window} fits: give a longer series"
        )
    marks = np.array(rows.labels or (False,) * len(rows), np.int64)
    sums = np.concatenate([np.zeros(detector.window, np.int64), np.cumsum(marks)])
    return scores[scored], (sums[detector.window :] > sums[: -detector.window])[scored]


def _threshold_row(file: str, old: Threshold | None, new: Threshold) -> tuple[str, ...]:
    asked = "" if new.false_alarms is None else f"{new.false_alarms:g}"
    before = "" if old is None else f"{old.threshold:.6g}"
    return file, new.method, before, f"{new.threshold:.6g}", asked, f"[{new.low:.2g}, {new.high:.2g}]", str(new.n)


_OUT_OF_REACH = Threshold("conformal", sys.float_info.max, None, 0.0, 0.0, 1, (0.0,) * QUANTILES)
