"""A simulated phone's accelerometer: the data of the recipe `motion`, made by a seed, 50 samples a second.

What a phone at rest measures is the pull of the earth, 9.81 m/s2 in whatever direction its lid points. Normal is: lying
on any side, held in a hand that trembles at 8 to 12 Hz (Elble and Randall 1978, "Mechanistic components of normal hand
tremor") and types, being turned, put down or picked up, and carried by somebody who walks: one or two steps a second,
which lift the body at the step's frequency and sway it at half of it (Zijlstra and Hof 1997, "Displacement of the
pelvis during human walking"), with a jolt at each heel. Not normal is a drop (nothing pulls while it falls, then it
strikes the floor and bounces), a knock against what it lies on, and being shaken.

The series goes on from scene to scene without a jump; the sensor's offset, scale and noise change slowly, so that a
detector cannot learn those of one phone. Left out: real recordings,
running, vehicles, and clocks that jitter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .samples import Rows, SampleSet

RATE = 50
"""Samples a second."""
FEATURES = ("x", "y", "z")
"""m/s2, as Android's accelerometer gives them."""
GRAVITY, RANGE = 9.81, 78.4
"""m/s2; most sensors of phones end at 8 times the earth's pull."""
WINDOW = 32
"""An event counts as long as a window of so many samples holds a part of it."""
SCENE = 8 * RATE
TRAIN_SCENES, TEST_SCENES = 450, 150
"""Of eight seconds each: an hour to train on, twenty minutes to test."""
NORMAL = ("rest", "hand", "turn", "walk")
ANOMALIES = ("drop", "knock", "shake")
BEFORE = {"drop": ("hand", "walk"), "knock": ("rest",), "shake": ("hand",)}
"""In which scenes an event happens."""
EVENT_SHARE = 0.4
"""Of the test's scenes, one event each."""
FADE = np.clip(np.minimum(np.arange(SCENE), np.arange(SCENE)[::-1]) / (RATE / 2), 0, 1)[:, None]
"""[SCENE, 1]: movement begins and ends in half a second."""
Scene = tuple[Rows, Rows]
"""Where up is [SCENE, 3], and what moves beside the pull [SCENE, 3], in m/s2."""


@dataclass(frozen=True)
class Motion:
    """`train` is normal; `event` [n] is "" or one of ANOMALIES for each row of `test`."""

    train: SampleSet
    test: SampleSet
    event: NDArray[np.str_]


def simulate_motion(seed: int = 7) -> Motion:
    """The same data for the same seed, in a second."""
    rng = np.random.default_rng(seed)
    calm = [""] * TRAIN_SCENES
    drawn = rng.random(TEST_SCENES) < EVENT_SHARE
    eventful = [ANOMALIES[i % len(ANOMALIES)] if event else "" for i, event in enumerate(drawn)]
    rows, event = _series([*calm, *eventful], rng)
    start = TRAIN_SCENES * SCENE
    times = np.arange(len(rows), dtype=np.float64) / RATE
    samples = SampleSet(rows, (event != "").astype(np.int64), times, FEATURES)
    return Motion(samples.take(slice(0, start)), samples.take(slice(start, None)), event[start:])


def _series(events: list[str], rng: np.random.Generator) -> tuple[Rows, NDArray[np.str_]]:
    """[n, 3] and [n]: scenes that go on from each other, with the event that is named, if any, in each."""
    rows, event = np.empty((len(events) * SCENE, 3)), np.full(len(events) * SCENE, "", "<U5")
    up = _direction(rng)
    for i, name in enumerate(events):
        part = slice(i * SCENE, (i + 1) * SCENE)
        kind = str(rng.choice(BEFORE.get(name, NORMAL)))
        path, push = SCENES[kind](up, rng)
        scene = GRAVITY * path + FADE * push
        up = path[-1]
        if name:
            start = int(rng.integers(2 * RATE, 4 * RATE))
            scene, end = EVENTS[name](scene, start, rng)
            event[part][start : end + WINDOW - 1] = name
            up = _unit(scene[-1])
        rows[part] = scene
    return _sensed(rows, len(events), rng), event


def _rest(up: Rows, rng: np.random.Generator) -> Scene:
    """On any side, nothing moves."""
    return np.tile(up, (SCENE, 1)), np.zeros((SCENE, 3))


def _hand(up: Rows, rng: np.random.Generator) -> Scene:
    """Turns by some tens of degrees in seconds, trembles, and now and then a finger types."""
    push = rng.uniform(0.05, 0.25) * _band(8, 12, rng) + rng.uniform(0.05, 0.4) * _band(0.3, 3, rng)
    for moment in rng.integers(0, SCENE, rng.poisson(6)):
        push[moment : moment + 2] += rng.uniform(0.2, 0.8) * _direction(rng)
    return _turning(up, rng.uniform(0.05, 0.5), rng), push


def _turn(up: Rows, rng: np.random.Generator) -> Scene:
    """Picked up, turned to another side or put down: in a second or two, over a side between the two."""
    last = _direction(rng)
    start, length = int(rng.integers(RATE, 4 * RATE)), int(rng.integers(RATE * 3 // 4, 2 * RATE))
    share = np.clip((np.arange(SCENE) - start) / length, 0, 1)[:, None]
    share = 3 * share**2 - 2 * share**3
    between = _unit(np.cross(up, last) + 0.01 * _direction(rng))
    path = _unit((1 - share) * up + share * last + 2 * share * (1 - share) * between)
    push = np.sin(np.pi * share) * rng.uniform(0.5, 2.5) * _band(0.5, 4, rng)
    if rng.random() < 0.5:  # put down: a soft contact
        push[start + length : start + length + 3] += rng.uniform(0.3, 1.0) * last * np.array([[1.0], [-0.5], [0.2]])
    return path, push


def _walk(up: Rows, rng: np.random.Generator) -> Scene:
    """Steps along the pull, sway across it, and heels; less of it arrives in a hand than in a pocket."""
    path = _turning(up, 0.15, rng)
    across = _unit(np.cross(path, _direction(rng)))
    wander = np.cumsum(rng.normal(0, 0.01, SCENE))
    phase = 2 * np.pi * (rng.uniform(1.4, 2.3) / RATE * np.arange(SCENE) + rng.random() + wander)
    lift = np.sin(phase) + 0.35 * np.sin(2 * phase + 1) + 0.15 * np.sin(3 * phase + 2)
    heels = rng.uniform(0.3, 1.0) * np.clip(np.cos(phase - 0.5), 0, None) ** 8
    along, side = (lift + heels)[:, None] * path, 0.5 * np.sin(phase / 2)[:, None] * across
    return path, rng.uniform(0.6, 3.0) * (along + side + 0.1 * _band(3, 15, rng))


def _drop(rows: Rows, start: int, rng: np.random.Generator) -> tuple[Rows, int]:
    """From 0.3 to 1.5 m: weightless but for the air and its own spin, a strike, one or two bounces, then at rest."""
    fall = round(RATE * float(np.sqrt(2 * rng.uniform(0.3, 1.5) / GRAVITY)))
    rows, spin = rows.copy(), rng.uniform(0, 1.5)
    at = start
    for strength in (1.0, 0.4, 0.15)[: int(rng.integers(2, 4))]:
        length = max(2, round(fall * (1.0 if strength == 1 else 0.7 * strength)))
        rows[at : at + length] = spin * _direction(rng) + 0.2 * rng.normal(0, 1, (length, 3))
        at += length
        blow = strength * rng.uniform(30, 120) * _direction(rng)
        rows[at : at + 3] = blow * np.array([[1.0], [-0.4], [0.15]])
        at += 3
    rows[at:] = GRAVITY * _direction(rng)
    return rows, at


def _knock(rows: Rows, start: int, rng: np.random.Generator) -> tuple[Rows, int]:
    """One to three blows to the table, each a ringing that fades within a tenth of a second."""
    rows, at, time = rows.copy(), start, np.arange(RATE // 8) / RATE
    for _ in range(int(rng.integers(1, 4))):
        wave = np.exp(-time * rng.uniform(25, 50)) * np.cos(2 * np.pi * rng.uniform(12, 24) * time)
        rows[at : at + len(time)] += rng.uniform(6, 20) * wave[:, None] * _direction(rng)
        end = at + len(time)
        at = end + int(rng.integers(4, 15))
    return rows, end


def _shake(rows: Rows, start: int, rng: np.random.Generator) -> tuple[Rows, int]:
    """One to three seconds, three to six times a second, to and fro along an axis that wanders."""
    length = int(rng.integers(RATE, 3 * RATE))
    time = np.arange(length) / RATE
    swing = np.sin(2 * np.pi * rng.uniform(3, 6) * time) * np.sin(np.pi * np.arange(length) / length) ** 0.3
    axis = _turning(_direction(rng), 0.5, rng)[:length]
    rows = rows.copy()
    rows[start : start + length] += rng.uniform(14, 35) * swing[:, None] * axis
    return rows, start + length


def _sensed(rows: Rows, scenes: int, rng: np.random.Generator) -> Rows:
    """As a sensor gives it: offset, scale and noise that change from scene to scene, range, and steps."""
    knots, at = np.arange(scenes + 1) * SCENE, np.arange(len(rows))
    scale, offset, noise = (
        np.stack([np.interp(at, knots, rng.normal(middle, spread, scenes + 1)) for _ in FEATURES], axis=1)
        for middle, spread in ((1, 0.01), (0, 0.1), (0.03, 0.01))
    )
    noisy = rows * scale + offset + noise * rng.normal(0, 1, rows.shape)
    step = 2 * RANGE / 65536
    sensed: Rows = np.round(np.clip(noisy, -RANGE, RANGE) / step) * step
    return sensed


def _direction(rng: np.random.Generator) -> Rows:
    """[3]: any direction as likely as any other."""
    return _unit(rng.normal(0, 1, 3))


def _turning(first: Rows, size: float, rng: np.random.Generator) -> Rows:
    """[SCENE, 3]: a direction that wanders from `first` by about `size` radians within seconds."""
    wander = _band(0.02, 0.6, rng)
    return _unit(first + size * (wander - wander[0]))


def _band(low: float, high: float, rng: np.random.Generator) -> Rows:
    """[SCENE, 3]: noise between two frequencies, of unit size."""
    hertz = np.fft.rfftfreq(SCENE, 1 / RATE)
    spectrum = np.fft.rfft(rng.normal(0, 1, (SCENE, 3)), axis=0)
    spectrum[(hertz < low) | (hertz > high)] = 0
    noise: Rows = np.fft.irfft(spectrum, SCENE, axis=0)
    return noise / max(float(noise.std()), 1e-9)


def _unit(vectors: Rows) -> Rows:
    unit: Rows = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


SCENES: Mapping[str, Callable[[Rows, np.random.Generator], Scene]] = {
    "rest": _rest, "hand": _hand, "turn": _turn, "walk": _walk,
}  # fmt: skip
EVENTS: Mapping[str, Callable[[Rows, int, np.random.Generator], tuple[Rows, int]]] = {
    "drop": _drop, "knock": _knock, "shake": _shake,
}  # fmt: skip
