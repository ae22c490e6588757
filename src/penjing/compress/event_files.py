"""Sessions of events: one a line, whole ids from 1 separated by spaces, as DeepLog's files of HDFS logs have them.

Left out: turning log lines into event ids.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..runtime.errors import DataError
from .samples import SampleSet
from .tables import read_lines

FEATURE = "event"


def read_events(path: Path, window: int) -> tuple[SampleSet, int]:
    """Sessions [n, window, 1], padded with 0 at the end, and how many were longer.

    Of a longer session the first `window` events are kept: a device has seen them when it must decide, and a model of
    what follows what knows how sessions begin. Raises DataError for a line that holds anything but ids.
    """
    if not path.is_file():
        raise DataError(f"no file {path}; check the path in the recipe, or change it with --set")
    lines = read_lines(path)
    rows = np.zeros((len(lines), window, 1))
    longer = 0
    for number, line in enumerate(lines, start=1):
        ids = [_id(path, cell, number) for cell in line.split()]
        longer += len(ids) > window
        rows[number - 1, : len(ids[:window]), 0] = ids[:window]
    return SampleSet(rows, None, None, (FEATURE,)), longer


def _id(path: Path, cell: str, number: int) -> int:
    if not cell.isdecimal() or not 0 < int(cell) <= 2**24:
        raise DataError(
            f"{path} has {cell[:40]!r} in session {number}: event ids are whole numbers from 1, separated by spaces"
        )
    return int(cell)
