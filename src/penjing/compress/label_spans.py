"""Labels that are spans of time in a file of their own, a JSON by "folder/file.csv", as NAB keeps them.

Left out: labels in a column, which are read with the samples.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..runtime.errors import DataError
from .sample_files import to_seconds
from .samples import Labels, Rows

Span = tuple[float, float]


def read_spans(path: Path, data: Path) -> list[Span]:
    """The anomalous spans of the file `data`, in seconds, both ends inside. Raises DataError when there are none of
    its name."""
    key = "/".join(data.parts[-2:])
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}): name the file of the label windows") from None
    known = list(found) if isinstance(found, dict) else []
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else 'its keys are "folder/file.csv"'
        raise DataError(f"{path} has no windows of {key}; {hint}")
    try:
        return [(to_seconds(start), to_seconds(end)) for start, end in found[key]]
    except (TypeError, ValueError):
        raise DataError(f"{path}: the windows of {key} are no pairs of times [start, end]: mend them") from None


def inside_spans(times: Rows, spans: Sequence[Span]) -> Labels:
    """1 for each of `times` [n] that lies in a span."""
    labels = np.zeros(len(times), np.int64)
    for start, end in spans:
        labels[(times >= start) & (times <= end)] = 1
    return labels
