"""A simulated machine whose bearing wears: the data of the demo recipe, made by a seed, a frame of vibration a minute.

The vibration of a frame is that of a shaft (its rotation and twice that), of a gear mesh, of flow noise that grows with
the load, and now and then of a knock from outside. A fault strikes whenever a ball passes it, and each strike rings the
housing's resonance: McFadden and Smith's model of a point defect (1984, Journal of Sound and Vibration 96). Strikes
slip by a few per cent, as rolling elements do; those of an inner race grow and shrink as it turns through the loaded
zone. A detector gets what a device would compute of a frame: level, peakedness, bands, and lines of the envelope's
spectrum (Randall and Antoni 2011, "Rolling element bearing diagnostics: a tutorial").

Left out: real recordings, a fault of ball or cage, and how fast real faults grow: here it takes hours, not weeks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import hilbert

from .samples import Rows, SampleSet

RATE, FRAME = 12_000, 4_096
"""Values a second, and in a frame: a third of a second, ten turns of the shaft."""
PERIOD = 60.0
"""Seconds from frame to frame."""
BALLS, BALL_SHARE = 9, 0.2033
"""Of a 6205 bearing: balls, and a ball's diameter as a share of the circle on which they run (contact angle 0)."""
OUTER, INNER = BALLS / 2 * (1 - BALL_SHARE), BALLS / 2 * (1 + BALL_SHARE)
"""Balls that pass a point of the outer and the inner race in one turn of the shaft: 3.585 and 5.415."""
RESONANCE, DAMPING = 3_400.0, 900.0
"""Of the housing, in Hz, and how fast its ringing fades, per second."""
BANDS = ((50, 1_000), (1_000, 2_600), (2_600, 4_200), (4_200, 6_000))
"""Hz."""
FEATURES = (
    "load", "speed", "rms", "kurtosis", "crest", "band_1", "band_2", "band_3", "band_4", "envelope_shaft",
    "envelope_outer", "envelope_inner",
)  # fmt: skip
HEALTHY, TEST_HEALTHY, GROWING, REPAIRED = 2_000, 400, 400, 200
"""Frames to train on; to test: before the first fault, of each fault, and between the two."""
SMALLEST, LARGEST = 0.5, 5.0
"""A fault's size is the height of its strikes, in standard deviations of the noise at full load."""
KNOCK_SHARE = 0.05
_AT_ONCE = 200


@dataclass(frozen=True)
class Bearings:
    """`train` is healthy; `test` is healthy, then has a fault of the outer race, is repaired, and has one of the inner
    race. `fault` [n] is "", "outer" or "inner" for each row of `test`, `size` [n] how large it is."""

    train: SampleSet
    test: SampleSet
    fault: NDArray[np.str_]
    size: Rows


def simulate_bearings(seed: int = 5) -> Bearings:
    """The same data for the same seed, in a few seconds."""
    rng = np.random.default_rng(seed)
    growing = np.geomspace(SMALLEST, LARGEST, GROWING)
    sizes = [np.zeros(TEST_HEALTHY), growing, np.zeros(REPAIRED), growing]
    fault = np.repeat(["", "outer", "", "inner"], [len(part) for part in sizes])
    size = np.concatenate(sizes)
    train = _frames(np.full(HEALTHY, ""), np.zeros(HEALTHY), 0.0, rng)
    test = _frames(fault, size, PERIOD * HEALTHY, rng)
    return Bearings(train, test, fault, size)


def _frames(fault: NDArray[np.str_], size: Rows, start: float, rng: np.random.Generator) -> SampleSet:
    load = _loads(len(fault), rng)
    speed = 29.95 - 0.9 * load + rng.normal(0, 0.03, len(load))  # turns a second; a motor slips under load
    measured = [load + rng.normal(0, 0.02, len(load)), speed + rng.normal(0, 0.02, len(load))]
    rows = np.empty((len(fault), len(FEATURES)))
    for first in range(0, len(fault), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        signal = _vibration(load[part], speed[part], fault[part], size[part], rng)
        rows[part] = _features(signal, measured[0][part], measured[1][part])
    labels = (size > 0).astype(np.int64)
    times = start + PERIOD * np.arange(len(fault), dtype=np.float64)
    return SampleSet(rows, labels, times, FEATURES)


def _loads(n: int, rng: np.random.Generator) -> Rows:
    """[n] from 0 to 1: steps of about an hour, and a drift on top."""
    steps = np.repeat(rng.choice([0.25, 0.5, 0.75, 1.0], n // 40 + 1), 40)[:n]
    drift = np.empty(n)
    value = 0.0
    for i, push in enumerate(rng.normal(0, 0.01, n)):
        value = 0.97 * value + push
        drift[i] = value
    return np.clip(steps + drift, 0, 1.1)


def _vibration(load: Rows, speed: Rows, fault: NDArray[np.str_], size: Rows, rng: np.random.Generator) -> Rows:
    """[n, FRAME] of frames that have nothing to do with each other's phase."""
    n, time = len(load), np.arange(FRAME) / RATE
    turn = speed[:, None] * time + rng.random((n, 1))
    level = 0.5 + 0.5 * load[:, None]
    signal = level * rng.normal(0, 1, (n, FRAME))
    for order, height in ((1, 0.8), (2, 0.3), (21, 0.4)):  # imbalance, misalignment, a gear of 21 teeth
        signal += height * level * np.sin(2 * np.pi * (order * turn + rng.random((n, 1))))
    strikes = _knocks(n, rng)
    for name, passes in (("outer", OUTER), ("inner", INNER)):
        hit = np.flatnonzero(fault == name)
        zone = 1 + 0.7 * np.cos(2 * np.pi * turn[hit]) if name == "inner" else 1.0
        strikes[hit] += zone * size[hit, None] * level[hit] * _passes(passes * speed[hit], rng)
    ringing = np.exp(-DAMPING * time) * np.sin(2 * np.pi * RESONANCE * time)
    spectrum = np.fft.rfft(strikes, 2 * FRAME) * np.fft.rfft(ringing, 2 * FRAME)
    return signal + np.fft.irfft(spectrum)[:, :FRAME]


def _knocks(n: int, rng: np.random.Generator) -> Rows:
    """[n, FRAME]: one to four single strikes in some of the frames, which no period is in."""
    strikes = np.zeros((n, FRAME))
    for row in np.flatnonzero(rng.random(n) < KNOCK_SHARE):
        count = rng.integers(1, 5)
        strikes[row, rng.integers(0, FRAME, count)] = rng.uniform(2, 8, count)
    return strikes


def _passes(frequency: Rows, rng: np.random.Generator) -> Rows:
    """[n, FRAME]: ones where balls strike, `frequency` [n] times a second but for a slip of 2%."""
    strikes = np.zeros((len(frequency), FRAME))
    most = int(FRAME / RATE * frequency.max(initial=0) * 1.2) + 2
    gaps = (1 + rng.normal(0, 0.02, (len(frequency), most))) / frequency[:, None]
    moments = (np.cumsum(gaps, axis=1) - gaps[:, :1] * rng.random((len(frequency), 1))) * RATE
    rows, hits = np.nonzero((moments >= 0) & (moments < FRAME))
    strikes[rows, moments[rows, hits].astype(int)] = 1.0
    return strikes


def _features(signal: Rows, load: Rows, speed: Rows) -> Rows:
    """[n, FEATURES]; levels and lines as logarithms, since they multiply."""
    square = signal**2
    rms = np.sqrt(square.mean(axis=1))
    kurtosis = (square**2).mean(axis=1) / rms**4
    crest = np.abs(signal).max(axis=1) / rms
    spectrum = np.fft.rfft(signal)
    power = np.abs(spectrum) ** 2
    hertz: Rows = np.fft.rfftfreq(FRAME, 1 / RATE).astype(np.float64)
    bands = [np.log(power[:, (hertz >= low) & (hertz < high)].mean(axis=1)) for low, high in BANDS]
    low, high = BANDS[2]
    spectrum[:, (hertz < low) | (hertz >= high)] = 0
    envelope = np.abs(hilbert(np.fft.irfft(spectrum, FRAME), axis=1))
    lines: Rows = np.abs(np.fft.rfft((envelope - envelope.mean(axis=1, keepdims=True)) * np.hanning(FRAME)))
    floor = np.median(lines[:, (hertz > 10) & (hertz < 500)], axis=1)
    peaks = [np.log(_line(lines, hertz, order * speed) / floor) for order in (1, OUTER, INNER)]
    return np.column_stack([load, speed, np.log(rms), np.log(kurtosis), np.log(crest), *bands, *peaks])


def _line(lines: Rows, hertz: Rows, wanted: Rows) -> Rows:
    """[n]: the highest value within 2% or two steps of the wanted frequency [n], for slip."""
    near = np.abs(hertz - wanted[:, None]) <= np.maximum(0.02 * wanted[:, None], 2 * hertz[1])
    highest: Rows = np.where(near, lines, 0).max(axis=1)
    return highest
