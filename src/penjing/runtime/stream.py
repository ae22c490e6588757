"""A series in, sample by sample or in chunks: scores, alarms with what drove them, and notices of drift.

It remembers one window, one value a feature, a few votes and ten counts, however long the series is. Cutting a series
into chunks changes nothing. Left out: reading the series from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from .detector import Detector, Driver
from .drift import DriftNotice, DriftWatch
from .errors import DataError
from .policy import Flags, Votes, decide, no_votes
from .samples import SampleError, float_samples, refuse_infinite, refuse_missing

STATE_VERSION = 1


@dataclass(frozen=True)
class Answers:
    """What a stream says of n samples.

    `scores` [n] in float32, NaN while the window fills; `alarms` [n]; `drivers` of each row with an alarm; `notices` of
    drift.
    """

    scores: NDArray[np.float32]
    alarms: Flags
    drivers: Mapping[int, tuple[Driver, ...]]
    notices: tuple[DriftNotice, ...]


class Stream:
    """One series on its way through a detector; made by `Detector.stream`. Not to be shared between threads."""

    def __init__(self, detector: Detector) -> None:
        """Starts empty. Raises BundleError when the detector's file has no threshold."""
        self.detector = detector
        self.seen = 0
        """Samples pushed so far."""
        self._drift = DriftWatch(detector.calibrated())
        self._time: float | None = None
        self._start_anew()

    def push(self, samples: ArrayLike, times: ArrayLike | None = None) -> Answers:
        """Takes the next samples [n, channels], or one [channels]; `times` [n], or one, in seconds, if known.

        Missing values (NaN) are refused, held or typical as the bundle says, and after a gap longer than it allows the
        window fills anew. Nothing is taken when it raises: DataError for another shape or an array that is not of
        floats, SampleError for a sample with a missing value that is refused, an infinite one, or a time that goes
        back.
        """
        rows = np.atleast_2d(float_samples(samples, self.detector.features))
        if rows.ndim != 2:
            raise DataError(f"a stream takes samples [n, channels], not {list(rows.shape)}: push them one by one")
        clock = self._checked_times(times, len(rows))
        refuse_infinite(rows, self.detector.features)
        if self.detector.format.missing == "refuse":
            refuse_missing(rows, self.detector.features)
        parts = [self._push_run(*part) for part in self._runs(rows, clock)]
        self._time = float(clock[-1]) if len(clock) else self._time
        return _joined(parts)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to go on from here, in values that JSON takes."""
        return {
            "version": STATE_VERSION,
            "file": self.detector.file,
            "sha256": self.detector.bundle.manifest.files[self.detector.file].sha256,
            "seen": self.seen,
            "time": self._time,
            "tail": self._tail.tolist(),
            "last": [None if np.isnan(value) else value for value in self._last.tolist()],
            "votes": {"recent": list(self._votes.recent), "since": self._votes.since},
            "drift": self._drift.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from where `state` was taken, with the same model file; thresholds may have been calibrated since.

        Raises DataError for the state of another file, and for one that is broken; then the stream stays as it was.
        """
        of = self.detector.bundle.manifest.files[self.detector.file].sha256
        if not isinstance(state, Mapping) or state.get("version") != STATE_VERSION or state.get("sha256") != of:
            name = state.get("file") if isinstance(state, Mapping) else state
            raise DataError(f"the state is of {name!r}, not of this {self.detector.file}: start without it")
        try:
            seen, time = int(state["seen"]), state["time"]
            tail = np.array(state["tail"], np.float32).reshape(-1, len(self.detector.features))
            last = np.array([np.nan if value is None else value for value in state["last"]], np.float32)
            votes = Votes(tuple(bool(flag) for flag in state["votes"]["recent"]), state["votes"]["since"])
            drift = DriftWatch(self.detector.calibrated())
            drift.restore(state["drift"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the stream's state lacks or misstates {error}: start without it") from None
        if len(last) != len(self.detector.features) or len(tail) >= self.detector.window:
            raise DataError("the stream's state is of another window or other features: start without it")
        policy = self.detector.policy
        if len(votes.recent) != policy.of - 1:
            votes = no_votes(policy)
        self.seen, self._time, self._tail, self._last = seen, time, tail, last
        self._votes, self._drift = votes, drift

    def _start_anew(self) -> None:
        channels = len(self.detector.features)
        self._tail = np.empty((0, channels), np.float32)
        self._last = np.full(channels, np.nan, np.float32)
        self._votes = no_votes(self.detector.policy)

    def _checked_times(self, times: ArrayLike | None, rows: int) -> NDArray[np.float64]:
        """[rows] times, or [0] of them when there are none."""
        if times is None:
            return np.empty(0)
        clock = np.atleast_1d(np.asarray(times, np.float64))
        if clock.shape != (rows,):
            raise DataError(f"{rows} samples have times {list(clock.shape)}: give one time a sample, in seconds")
        before = np.concatenate([[-np.inf if self._time is None else self._time], clock[:-1]])
        wrong = ~np.isfinite(clock) | ~(clock >= before)
        if wrong.any():
            row = int(wrong.argmax())
            fault = f"goes back from {before[row]:.15g}" if np.isfinite(clock[row]) else "is not finite"
            raise SampleError(row, f"its time {clock[row]:.15g} {fault}: sort the series, or drop the sample")
        return clock

    def _runs(self, rows: NDArray[np.float32], clock: NDArray[np.float64]) -> list[tuple[NDArray[np.float32], bool]]:
        """The samples cut where the series starts anew; with each part, whether it does so."""
        form = self.detector.format
        if form.largest_gap is None or form.period_seconds is None or not len(clock):
            return [(rows, False)]
        before = clock[0] if self._time is None else self._time
        absent = np.rint(np.diff(clock, prepend=before) / form.period_seconds) - 1
        gaps = absent > form.largest_gap
        starts = [0, *(np.flatnonzero(gaps[1:]) + 1).tolist()]
        ends = [*starts[1:], len(rows)]
        return [(rows[start:end], bool(gaps[start])) for start, end in zip(starts, ends, strict=True)]

    def _push_run(self, rows: NDArray[np.float32], anew: bool) -> Answers:
        if anew:
            self._start_anew()
        window, first = self.detector.window, self.seen
        joined = np.concatenate([self._tail, self._filled(rows)])
        scores = np.full(len(rows), np.nan, np.float32)
        count = max(0, len(joined) - window + 1)
        if count:
            windows = sliding_window_view(joined, window, axis=0).transpose(0, 2, 1)
            scores[len(rows) - count :] = self.detector.score_windows(windows)
        alarms, self._votes = decide(self.detector.policy, self.detector.above(scores), self._votes)
        drivers = {}
        for row in np.flatnonzero(alarms).tolist():
            end = len(joined) - len(rows) + row + 1
            if end >= window:
                drivers[row] = self.detector.explain_window(joined[end - window : end])
        notices = self._drift.update(scores.astype(np.float64), first)
        self.seen += len(rows)
        self._tail = joined[max(0, len(joined) - window + 1) :].copy()
        return Answers(scores, alarms, drivers, notices)

    def _filled(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Missing values filled; remembers each feature's last one."""
        form = self.detector.format
        if form.missing == "refuse" or not len(rows):
            return rows
        typical, absent = np.array(form.typical, np.float32), np.isnan(rows)
        if form.missing == "typical":
            return np.where(absent, typical, rows)
        padded = np.concatenate([self._last[None], rows])
        places = np.where(np.isnan(padded), 0, np.arange(len(padded))[:, None])
        held = padded[np.maximum.accumulate(places, axis=0), np.arange(rows.shape[1])]
        self._last = held[-1].copy()
        return np.where(np.isnan(held[1:]), typical, held[1:])


def _joined(parts: list[Answers]) -> Answers:
    if len(parts) == 1:
        return parts[0]
    drivers, start = dict[int, tuple[Driver, ...]](), 0
    for part in parts:
        drivers.update((start + row, driven) for row, driven in part.drivers.items())
        start += len(part.scores)
    return Answers(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.alarms for part in parts]),
        drivers,
        tuple(notice for part in parts for notice in part.notices),
    )
