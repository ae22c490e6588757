"""What samples a detector takes: its features, their typical values, and what to do with missing ones and gaps.

The manifest's `preprocess` of a detector bundle is this as plain values. Left out: reading samples from files, and
windows, which are the stream's work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError, DataError

TEXTS_KIND = "texts"
KINDS = ("table", "series", "events", TEXTS_KIND)
MISSING = ("refuse", "hold", "typical")
_NAMES_SHOWN = 5


class SampleError(DataError):
    """A sample that cannot be scored: `row`, its place in the chunk that was given, and the `reason`."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(f"sample {row + 1} of those given: {reason}")
        self.row, self.reason = row, reason


@dataclass(frozen=True)
class SampleFormat:
    """`typical` is the median of each feature in normal training data; `kind` is one of KINDS.

    `missing` says what a stream puts in place of a missing value: nothing ("refuse": it is an error), the feature's
    last value ("hold"; typical while there is none), or its typical value. `largest_gap` is the number of samples, each
    `period_seconds` after the one before, that may be missing in a row before a series counts as starting anew; None:
    any number.

    Raises BundleError when the values contradict each other.
    """

    features: tuple[str, ...]
    typical: tuple[float, ...]
    kind: str = "table"
    missing: str = "refuse"
    largest_gap: int | None = None
    period_seconds: float | None = None

    def __post_init__(self) -> None:
        """Checks all values."""
        if not self.features or len(set(self.features)) != len(self.features):
            raise BundleError(f"features are {list(self.features)}: give each channel one name of its own")
        if len(self.typical) != len(self.features) or not all(math.isfinite(value) for value in self.typical):
            raise BundleError(f"{len(self.features)} features need as many typical values, finite: {self.typical}")
        for name, value, allowed in (("kind", self.kind, KINDS), ("missing", self.missing, MISSING)):
            if value not in allowed:
                raise BundleError(f"{name} is {value!r}: this Penjing knows {', '.join(allowed)}")
        if self.period_seconds is not None and not 0 < self.period_seconds < math.inf:
            raise BundleError(f"period_seconds is {self.period_seconds}: give a positive number, or null")
        if self.largest_gap is not None and (self.largest_gap < 0 or self.period_seconds is None):
            raise BundleError(
                f"largest_gap is {self.largest_gap}, period_seconds {self.period_seconds}: a gap is counted in samples"
                " (0 or more) of a known period, so give both"
            )

    def to_plain(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {**asdict(self), "features": list(self.features), "typical": list(self.typical)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SampleFormat:
        """From the manifest; raises BundleError when something is missing or of another type."""
        try:
            gap, period = plain["largest_gap"], plain["period_seconds"]
            return cls(
                tuple(str(name) for name in plain["features"]),
                tuple(float(value) for value in plain["typical"]),
                str(plain["kind"]),
                str(plain["missing"]),
                None if gap is None else int(gap),
                None if period is None else float(period),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the manifest's preprocess lacks or misstates {error}: copy the bundle again") from None


def float_samples(values: Any, features: Sequence[str]) -> NDArray[np.float32]:
    """`values` [..., channels] in float32; a missing value stays NaN.

    Raises DataError when the last axis is not the features', or for an array that is not of floats: integers wrap
    around in arithmetic (a uint8 200 + 100 is 44), which nobody sees later.
    """
    if isinstance(values, np.ndarray | np.generic) and values.dtype.kind != "f":
        raise DataError(
            f"samples are {values.dtype}, which wraps around or cuts off: load them as numbers, not as {values.dtype},"
            " and pass samples.astype('float32')"
        )
    try:
        with np.errstate(over="ignore"):
            samples: NDArray[np.float32] = np.asarray(values, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise DataError("samples are no table of numbers: give an array [n, channels] of floats") from None
    if not samples.ndim or samples.shape[-1] != len(features):
        found = samples.shape[-1] if samples.ndim else 0
        raise DataError(f"samples have {found} columns, the detector takes {len(features)}: {shortened(features)}")
    return samples


def refuse_infinite(samples: NDArray[np.float32], features: Sequence[str]) -> None:
    """Raises SampleError for the first row [n, channels] that holds an infinite value; NaN passes."""
    rows = np.isinf(samples).any(axis=1)
    if rows.any():
        row = int(rows.argmax())
        names = _marked(features, np.isinf(samples[row]))
        raise SampleError(row, f"{shortened(names)} is infinite, or beyond float32: leave it empty, or drop the sample")


def refuse_missing(samples: NDArray[np.float32], features: Sequence[str]) -> None:
    """Raises SampleError for the first row [n, channels] that lacks a value."""
    rows = np.isnan(samples).any(axis=1)
    if rows.any():
        row = int(rows.argmax())
        names = _marked(features, np.isnan(samples[row]))
        raise SampleError(row, f"{shortened(names)} is missing, which this bundle refuses: fill it, or drop the sample")


def _marked(features: Sequence[str], marks: NDArray[np.bool_]) -> list[str]:
    """Each marked name once: a window repeats them."""
    return list(dict.fromkeys(name for name, marked in zip(features, marks, strict=True) if marked))


def shortened(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
