"""Which samples train, which calibrate the threshold and which test.

A table is drawn from at random: by default 40% of the normal rows train, 10% calibrate, the other half and all
anomalies test. A series is cut in order of time, with a gap of one window between training and calibration, so that no
row is in both. Left out: reading, and what an unusable set is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .samples import SampleSet, cut_set

FEWEST = 2
"""Rows without which a part is no part."""


@dataclass(frozen=True)
class Shares:
    """What part of the rows trains and what part calibrates; the rest tests.

    `contaminated` leaves anomalies in training; `anomalies_calibrate` gives the calibration its share of them too, as a
    threshold by labels needs.
    """

    train: float
    calibrate: float
    contaminated: bool = False
    anomalies_calibrate: bool = False


@dataclass(frozen=True)
class Parts:
    """The three parts."""

    train: SampleSet
    calibrate: SampleSet
    test: SampleSet


def split_table(samples: SampleSet, shares: Shares, seed: int, where: str) -> Parts:
    """Three parts of one table, each in the file's order. Raises DataError where a part would be empty."""
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(samples.normal), np.flatnonzero(~samples.normal)]
    train, calibrate = list[NDArray[np.int64]](), list[NDArray[np.int64]]()
    for group, trains, calibrates in zip(
        groups, (True, shares.contaminated), (True, shares.contaminated or shares.anomalies_calibrate), strict=True
    ):
        drawn = rng.permutation(group)
        end = round(shares.train * len(group)) if trains else 0
        train.append(drawn[:end])
        calibrate.append(drawn[end : end + round(shares.calibrate * len(group))] if calibrates else drawn[:0])
    chosen = [np.sort(np.concatenate(part)) for part in (train, calibrate)]
    rest = np.setdiff1d(np.arange(len(samples)), np.concatenate(chosen))
    return _checked(Parts(*(samples.take(part) for part in (*chosen, rest))), where)


def hold_out(
    samples: SampleSet, share: float, contaminated: bool, seed: int, where: str
) -> tuple[SampleSet, SampleSet]:
    """Training and calibration of a table whose test is another file: `share` of the rows calibrates."""
    usable = samples if contaminated else samples.take(samples.normal)
    drawn = np.random.default_rng(seed).permutation(len(usable))
    count = round(share * len(usable))
    train, calibrate = usable.take(np.sort(drawn[count:])), usable.take(np.sort(drawn[:count]))
    _checked(Parts(train, calibrate, calibrate), where)
    return train, calibrate


def split_series(samples: SampleSet, shares: Shares, window: int, stride: int, where: str) -> Parts:
    """Three parts of one series: its start trains, then a gap, then calibration, and the rest tests.

    Calibration ends where `train` + `calibrate` of the rows do. Raises DataError where a part is shorter than a window.
    """
    end = round((shares.train + shares.calibrate) * len(samples))
    train, calibrate = hold_out_end(
        samples.take(slice(0, end)), shares.calibrate / (shares.train + shares.calibrate), shares.contaminated, window,
        stride, where,
    )  # fmt: skip
    test = samples.take(slice(end, None))
    _long_enough(test, window, f"{where}, its test part")
    return Parts(train, calibrate, test)


def hold_out_end(
    samples: SampleSet, share: float, contaminated: bool, window: int, stride: int, where: str
) -> tuple[SampleSet, SampleSet]:
    """Training and calibration of a series whose test is elsewhere: its last `share` calibrates, one window before that
    is left out. Raises DataError where either is shorter than a window."""
    start = len(samples) - round(share * len(samples))
    train, calibrate = samples.take(slice(0, max(start - window, 0))), samples.take(slice(start, None))
    _long_enough(train, window, f"{where}, its training part")
    _long_enough(calibrate, window, f"{where}, its calibration part")
    return (train if contaminated else _normal_windows(train, window, stride, where)), calibrate


def _normal_windows(train: SampleSet, window: int, stride: int, where: str) -> SampleSet:
    """The series as it is if nothing in it is an anomaly; else its windows without any: taking rows out would put rows
    beside each other that never were."""
    if train.normal.all():
        return train
    if window == 1:
        kept = train.take(train.normal)
    else:
        touched = cut_set(SampleSet((~train.normal)[:, None].astype(float), None, None, ("",)), window, stride)
        kept = cut_set(train, window, stride).take(np.flatnonzero(touched.rows.sum(axis=(1, 2)) == 0))
    if len(kept) < FEWEST:
        raise DataError(f"{where}: training has {len(kept)} windows without an anomaly: set data.regime: contaminated")
    return kept


def _long_enough(samples: SampleSet, window: int, where: str) -> None:
    if len(samples) < max(window, FEWEST):
        raise DataError(
            f"{where} has {len(samples)} rows, but a window takes {window} and a part at least {FEWEST}: set a smaller"
            " data.window, other shares, or give a longer series"
        )


def _checked(parts: Parts, where: str) -> Parts:
    for name, part in (("training", parts.train), ("calibration", parts.calibrate), ("test", parts.test)):
        if len(part) < FEWEST:
            raise DataError(
                f"{where}: {len(part)} rows would be left for {name}, at least {FEWEST} are needed: give more rows, or"
                " set data.train_share and data.calibrate_share"
            )
    return parts
