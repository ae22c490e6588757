"""CSV and JSON lines to samples, as they arrive: what `watch` and `calibrate` read, with numpy alone.

A file that begins with "{" holds a JSON object a line, any other a header and comma-separated rows. Features are found
by name, other columns are passed over. A value that is empty or `nan`, and a JSON key that is absent or null, is
missing. Left out: quoted line ends, other separators, compressed files.
"""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from ..runtime.samples import shortened

TIME_COLUMNS = ("time", "timestamp", "datetime", "date")
"""Where the time of a sample is looked for: seconds, or ISO 8601 (UTC if it names no zone)."""
LABELS = {"0": False, "1": True, "normal": False, "anomaly": True, "false": False, "true": True}
STDIN = "-"
_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 20
_WAIT_SECONDS = 0.2


@dataclass(frozen=True)
class Rows:
    """n samples: `values` [n, channels], NaN where missing; `lines`, their numbers from 1; `times` in seconds, `labels`
    true for anomalies, both empty when the file has no such column.
    """

    values: NDArray[np.float64]
    lines: tuple[int, ...]
    times: tuple[float, ...]
    labels: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def until(self, row: int) -> Rows:
        """The rows before `row`."""
        return Rows(self.values[:row], self.lines[:row], self.times[:row], self.labels[:row])


class SampleLines:
    """Takes bytes in blocks of any size, gives the samples of the lines that are complete."""

    def __init__(self, source: str, features: Sequence[str], label: str | None = None) -> None:
        """`source` is for messages, `label` the column that must hold one of LABELS in every row."""
        self.source, self.features, self.label = source, tuple(features), label
        self._rest, self._line = b"", 0
        self._columns: dict[str, int] | None = None
        self._is_json, self._time_column = False, ""

    def take(self, block: bytes) -> tuple[Rows, DataError | None]:
        """The samples that `block` completes, up to the first bad line, and the error that names that line."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        values, numbers, times, labels = list[list[float]](), list[int](), list[float](), list[bool]()
        error = None
        for raw in lines:
            self._line += 1
            try:
                record = self._record(raw)
                if record is None:
                    continue
                row = [_number(name, record[name]) for name in self.features]
                moment = [_seconds(record[self._time_column])] if self._time_column else []
                mark = [_label(self.label, record.get(self.label))] if self.label is not None else []
            except ValueError as reason:
                error = self.error(self._line, str(reason))
                break
            values.append(row)
            numbers.append(self._line)
            times += moment
            labels += mark
        if error is None and len(self._rest) > _LONGEST_LINE:
            error = self.error(self._line + 1, f"it is longer than {_LONGEST_LINE} bytes: is this a table of samples?")
        array = np.array(values, np.float64).reshape(-1, len(self.features))
        return Rows(array, tuple(numbers), tuple(times), tuple(labels)), error

    def unfinished(self) -> str | None:
        """At the end: a note when the last line has no end, so that it may be half of one."""
        if not self._rest.strip():
            return None
        return f"{self.source} ends in the middle of line {self._line + 1}, which was not scored: end it with a newline"

    def error(self, line: int, reason: str) -> DataError:
        """The error that names source and line."""
        return DataError(f"{self.source}, line {line}: {reason}")

    def _record(self, raw: bytes) -> dict[str, Any] | None:
        """The values by name; None for an empty line and for the header."""
        try:
            text = raw.decode("utf-8-sig" if self._line == 1 else "utf-8").strip("\r")
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8: convert the file") from None
        if not text.strip():
            return None
        if self._columns is None and not self._is_json:
            self._is_json = text.lstrip().startswith("{")
            if not self._is_json:
                self._read_header(_cells(text))
                return None
            self._time_column = _time_column(_json_object(text), self.features)
        return self._json_record(text) if self._is_json else self._csv_record(text)

    def _read_header(self, names: list[str]) -> None:
        names = [name.strip() for name in names]
        self._columns = {name: place for place, name in enumerate(names)}
        wanted = (*self.features, *([self.label] if self.label is not None else []))
        if lacking := [name for name in wanted if name not in self._columns]:
            raise ValueError(
                f"the header has {len(names)} columns ({shortened(names)}) and lacks {shortened(lacking)}: name the"
                " columns as the bundle's features"
            )
        if twice := [name for name in wanted if names.count(name) > 1]:
            raise ValueError(f"the header names {shortened(twice)} twice: keep one of the columns")
        self._time_column = _time_column(self._columns, self.features)

    def _csv_record(self, text: str) -> dict[str, Any]:
        cells, columns = _cells(text), self._columns or {}
        if len(cells) != len(columns):
            raise ValueError(f"it has {len(cells)} columns, the header has {len(columns)}: mend or remove it")
        return {name: cells[place] for name, place in columns.items()}

    def _json_record(self, text: str) -> dict[str, Any]:
        record = _json_object(text)
        if not any(name in record for name in self.features):
            raise ValueError(f"it has none of the features {shortened(self.features)}: name the keys like them")
        if self._time_column and self._time_column not in record:
            raise ValueError(f"it has no {self._time_column!r}, which the first line has: add it")
        return {**dict.fromkeys(self.features), **record}


def named(source: str) -> str:
    """As messages call it."""
    return "stdin" if source == STDIN else source


def blocks(source: str, follow: bool = False) -> Iterator[bytes]:
    """What a file (or stdin, "-") holds, in blocks as they come; with `follow`, goes on waiting at the file's end.

    Raises DataError when there is no such file, or stdin is to be followed.
    """
    if source == STDIN:
        if follow:
            raise DataError("--follow waits at the end of a file; stdin is read until it is closed: leave it out")
        source_of_bytes: Any = sys.stdin.buffer
        while block := source_of_bytes.read1(_BLOCK):
            yield block
        return
    path = Path(source)
    if not path.exists() or path.is_dir():
        raise DataError(f"no file {path}: name a CSV or JSON-lines file, or - for stdin")
    with path.open("rb") as file:
        while True:
            if block := file.read(_BLOCK):
                yield block
            elif follow:
                time.sleep(_WAIT_SECONDS)
            else:
                return


def _cells(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(f"its quotes do not close ({error}): a row must be one line") from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error}): mend or remove it") from None
    if not isinstance(record, dict):
        raise ValueError(f"it is a JSON {type(record).__name__}, not an object of features: mend or remove it")
    return record


def _time_column(names: Iterable[str], features: Sequence[str]) -> str:
    return next((name for name in names if name.lower() in TIME_COLUMNS and name not in features), "")


def _number(name: str, value: Any) -> float:
    if value is None or value == "":
        return math.nan
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        if isinstance(value, str) and not value.strip():
            return math.nan
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a number: mend it, or leave it empty") from None


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(
            f"its time is {str(value)[:40]!r}: write seconds, or a date like 2024-05-01T12:00:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _label(column: str | None, value: Any) -> bool:
    mark = LABELS.get(str(value).strip().lower())
    if mark is None:
        raise ValueError(f"{column} is {str(value)[:40]!r}: a label is one of {', '.join(LABELS)}")
    return mark
