"""One file of samples as numbers: a table by its columns, an array of an .npz, or a whitespace table without header.

Whatever the file's type, the values are float64 from here on. Left out: which rows train (`sample_splits.py`), and
sessions of events (`event_files.py`).
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .samples import Labels, Rows, SampleSet
from .tables import Row, file_kind, read_lines, read_table

ARRAY_SIGN = "::"
"""Between an .npz file and the name of one of its arrays."""
PLAIN = ".txt"


@dataclass(frozen=True)
class Columns:
    """What to take of a file: `features` (all that are numbers if None), `label` and `time`, and which labels are
    normal. Columns of a table without header are named by their number, from 0. The label of an .npz is another array
    of it, or of another .npz as "file.npz::array"."""

    features: tuple[str, ...] | None = None
    label: str | None = None
    time: str | None = None
    normal: tuple[str, ...] = ("0",)


def read_samples(path: Path, columns: Columns, array: str | None = None) -> SampleSet:
    """The file's rows [n, channels]; of an `array` of an .npz also [n, window, channels].

    Raises DataError that says what to mend.
    """
    if array is not None or path.suffix == ".npz":
        return _read_array(path, array, columns)
    present = _column_names(path)
    wanted = [name for name in (columns.label, columns.time) if name is not None]
    features = columns.features or tuple(name for name in present if name not in wanted)
    for name in (*features, *wanted):
        if name not in present:
            raise DataError(f"{path} has no column {name!r}; {_nearest(name, present)}")
    rows = _table_rows(path, (*dict.fromkeys((*features, *wanted)),))
    if columns.features is None:
        features = tuple(name for name in features if _is_number(_first(rows, name)))
        if not features:
            raise DataError(f"{path} has no column of numbers: name the columns to use in data.features")
    values = [[_number(path, row[name], name, i) for name in features] for i, row in enumerate(rows, start=1)]
    labels = None if columns.label is None else to_labels([row[columns.label] for row in rows], columns.normal)
    moments = None
    if columns.time is not None:
        moments = np.array([_seconds(path, row[columns.time], i) for i, row in enumerate(rows, start=1)])
    return SampleSet(np.array(values, np.float64), labels, moments, features)


def split_array_name(name: str) -> tuple[str, str | None]:
    """'file.npz::X' to its two parts; a name without the sign has no array."""
    file, sign, array = name.partition(ARRAY_SIGN)
    return file, array if sign else None


def to_labels(cells: Sequence[Any] | NDArray[Any], normal: tuple[str, ...]) -> Labels:
    """1 where a cell's text is none of `normal`; 0, 0.0 and False are one text."""
    return np.array([_label_text(cell) not in normal for cell in cells], np.int64)


def _read_array(path: Path, array: str | None, columns: Columns) -> SampleSet:
    values = _array(path, array)
    if values.dtype.kind not in "fiub":
        raise DataError(f"{path} holds {values.dtype}, not numbers: save it as floats")
    if values.ndim not in (1, 2, 3) or not values.size:
        raise DataError(
            f"{path} has the shape {list(values.shape)}: samples are [n, channels] or [n, window, channels]"
        )
    rows: Rows = (values[:, None] if values.ndim == 1 else values).astype(np.float64)
    if columns.time is not None:
        raise DataError(f"{path} is an array, which has no column {columns.time!r}: leave data.time out")
    labels = None if columns.label is None else _array_labels(path, columns, len(rows))
    names = tuple(f"x{i}" for i in range(rows.shape[-1]))
    if columns.features is None or columns.features == names:
        return SampleSet(rows, labels, None, names)
    for name in columns.features:
        if name not in names:
            raise DataError(f"{path} has no channel {name!r}; its {len(names)} channels are called x0 to {names[-1]}")
    return SampleSet(rows[..., [names.index(name) for name in columns.features]], labels, None, columns.features)


def _array_labels(path: Path, columns: Columns, n: int) -> Labels:
    file, array = split_array_name(columns.label or "")
    source = (Path(file), array) if array is not None else (path, file)
    cells = _array(*source)
    if cells.shape != (n,):
        raise DataError(
            f"{source[0]}{ARRAY_SIGN}{source[1]} has the shape {list(cells.shape)}, but there are {n} samples: give one"
            " label a row"
        )
    return to_labels(cells, columns.normal)


def _array(file: Path, name: str | None) -> NDArray[Any]:
    if not file.is_file():
        raise DataError(f"no file {file}; check the path in the recipe, or change it with --set")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if name is None or name not in arrays.files:
                asked = "names no array" if name is None else f"has no array {name!r}"
                raise DataError(f"{file} {asked}; it has {', '.join(arrays.files)}: write {file}{ARRAY_SIGN}NAME")
            found: NDArray[Any] = arrays[name]
    except (OSError, ValueError, EOFError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} cannot be read as .npz without pickles ({error}): save it again with np.savez"
        ) from None
    return found


def _column_names(path: Path) -> list[str]:
    """The reader of tables wants the names that it should read, so the header is looked at first."""
    kind = file_kind(path)
    if kind == ".parquet":
        from pyarrow import ArrowInvalid, parquet

        try:
            return list(parquet.read_schema(path).names)
        except ArrowInvalid as error:
            raise DataError(f"{path} is no Parquet file ({' '.join(str(error).split())}): write it again") from None
    first = read_lines(path)[0]
    if kind == PLAIN:
        return [str(i) for i in range(len(first.split()))]
    if kind in (".jsonl", ".json"):
        try:
            return list(json.loads(first))
        except (json.JSONDecodeError, TypeError):
            raise DataError(f"{path} has no JSON object in line 1: one object a line") from None
    return first.split("\t") if kind == ".tsv" else next(csv.reader([first]))


def _table_rows(path: Path, names: tuple[str, ...]) -> list[Row]:
    if file_kind(path) != PLAIN:
        return read_table(path, names)
    cells = [line.split() for line in read_lines(path)]
    for number, row in enumerate(cells, start=1):
        if len(row) != len(cells[0]):
            raise DataError(
                f"{path} has {len(row)} columns in line {number}, the first {len(cells[0])}: mend that line"
            )
    return [{name: row[int(name)] for name in names} for row in cells]


def _first(rows: list[Row], name: str) -> Any:
    """The first cell of a column that is not empty."""
    return next((row[name] for row in rows if row[name] not in (None, "")), None)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _number(path: Path, cell: Any, name: str, row: int) -> float:
    if cell is None or cell == "":
        return float("nan")
    if not _is_number(cell):
        raise DataError(
            f"{path} has {str(cell)[:40]!r} in column {name!r} of row {row}, which is no number: mend it, or leave the"
            " column out of data.features"
        )
    return float(cell)


def to_seconds(cell: Any) -> float:
    """Seconds as they are; ISO 8601 as seconds since 1970, UTC unless it names a zone. Raises ValueError for others."""
    if _is_number(cell) and np.isfinite(float(cell)):
        return float(cell)
    moment = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell).strip().replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _seconds(path: Path, cell: Any, row: int) -> float:
    try:
        return to_seconds(cell)
    except ValueError:
        raise DataError(
            f"{path} has the time {str(cell)[:40]!r} in row {row}: write seconds, or a date such as 2024-05-01T12:00:00"
        ) from None


def _label_text(cell: Any) -> str:
    if _is_number(cell) and float(cell).is_integer():
        return str(int(float(cell)))
    return str(cell).strip()


def _nearest(name: str, present: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, present, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(present) - 20} more" if len(present) > 20 else ""
    return f"it has {', '.join(map(repr, present[:20]))}{more}"
