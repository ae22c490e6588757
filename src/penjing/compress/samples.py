"""Samples for detectors, as numbers: what a set of them is, how windows are cut, and what makes a set unusable.

Left out: reading files (`sample_files.py`), dividing into training, calibration and test (`sample_splits.py`), and all
of it in order (`load_samples.py`). Gaps in time are not looked for: a window may reach across one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..runtime.errors import DataError

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]

LARGEST = float(np.finfo(np.float32).max)
"""Detectors compute in float32: beyond this a number is infinite to them."""
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class SampleSet:
    """`rows` [n, channels], or [n, window, channels] where each is a window already; in float64, so that no integer
    wraps around. `labels` [n] are 1 for anomalies, `times` [n] are seconds; either may be unknown. `features` names the
    channels."""

    rows: Rows
    labels: Labels | None
    times: Rows | None
    features: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def normal(self) -> NDArray[np.bool_]:
        """[n]; without labels all count as normal."""
        return np.ones(len(self), bool) if self.labels is None else self.labels == 0

    def take(self, chosen: NDArray[Any] | slice) -> SampleSet:
        """The rows of an index array, a mask or a slice, with their labels and times."""
        labels = None if self.labels is None else self.labels[chosen]
        times = None if self.times is None else self.times[chosen]
        return SampleSet(self.rows[chosen], labels, times, self.features)


def cut_windows(rows: Rows, window: int, stride: int = 1) -> Rows:
    """[n, channels] to windows [m, window, channels], one every `stride` rows; a view, so nothing is copied.

    Raises DataError when the series is shorter than a window.
    """
    if len(rows) < window:
        raise DataError(f"a window of {window} is longer than the series, which has {len(rows)} rows: set data.window")
    windows: Rows = sliding_window_view(rows, window, axis=0)[::stride].transpose(0, 2, 1)
    return windows


def cut_set(samples: SampleSet, window: int, stride: int = 1) -> SampleSet:
    """The windows of a series; a window has the label and the time of its last row, as on a device."""
    ends = slice(window - 1, None, stride)
    kept = samples.take(ends)
    return SampleSet(cut_windows(samples.rows, window, stride), kept.labels, kept.times, samples.features)


def check_finite(samples: SampleSet, where: str) -> None:
    """Raises DataError that counts the rows with NaN or infinity, float32's included, and names their columns."""
    bad = ~(np.abs(samples.rows) <= LARGEST)
    if bad.any():
        count = int(bad.reshape(len(samples), -1).any(axis=1).sum())
        names = named(samples.features, np.atleast_1d(bad.reshape(-1, bad.shape[-1]).any(axis=0)))
        raise DataError(
            f"{where}: {count} of {len(samples)} rows hold a value that is missing or infinite, in {names}: fill or"
            " drop these rows, or leave such columns out of data.features"
        )


def check_constant(samples: SampleSet, where: str) -> None:
    """Raises DataError that names the channels which never change: they tell nothing, and may mean a broken sensor."""
    flat = samples.rows.reshape(-1, samples.rows.shape[-1])
    constant = np.ptp(flat, axis=0) == 0
    if constant.any():
        names = named(samples.features, constant)
        raise DataError(
            f"{where}: {int(constant.sum())} of {len(constant)} columns never change, {names}:"
            " leave them out of data.features, or set data.constant: keep"
        )


def check_order(samples: SampleSet, where: str) -> None:
    """Raises DataError at the first row whose time lies before that of the row above; equal times pass."""
    if samples.times is None:
        return
    back = np.diff(samples.times) < 0
    if back.any():
        row = int(back.argmax()) + 2
        raise DataError(
            f"{where}: the time of row {row} lies before that of row {row - 1}: sort the rows, or leave data.time out"
        )


def check_both_kinds(samples: SampleSet, where: str) -> None:
    """Raises DataError when labels are there but all of one kind, which no quality can be told from."""
    count = len(samples) - int(samples.normal.sum())
    if samples.labels is not None and count in (0, len(samples)):
        kind = "anomalies" if count else "normal"
        raise DataError(
            f"{where}: all {len(samples)} rows are {kind} by their labels, but quality needs both kinds: check"
            " data.normal, which names the normal ones, or leave the label out"
        )


def named(features: Sequence[str], marked: NDArray[np.bool_]) -> str:
    """The first of the marked names, and how many more there are."""
    names = [name for name, mark in zip(features, marked, strict=True) if mark]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
