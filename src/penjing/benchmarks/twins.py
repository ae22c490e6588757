"""The subject that was measured twice, and what its twin says: noise floors, and comparisons above them.

A run that comes from elsewhere, as from the demo app, holds the twin among its measurements; here it becomes what
`penjing bench` would have written. Left out: the statistics (`compare.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .compare import Comparison, NoiseFloor, compare, noise_floor
from .measurement import Measurement
from .results import Run

TWIN = " (A/A)"
"""Ends the label under which the first subject is measured a second time."""


def fold_twins(run: Run) -> Run:
    """The run with a noise floor for each twin, which is no measurement any more, and with the comparisons that these
    floors allow. A run without twins stays as it is. Raises ValueError for a twin of nothing."""
    twins = [m for m in run.measurements if m.subject.endswith(TWIN)]
    if not twins:
        return run
    kept = tuple(m for m in run.measurements if m not in twins)
    floors = tuple(_floor(kept, twin) for twin in twins)
    return replace(
        run, measurements=kept, noise_floors=run.noise_floors + floors,
        comparisons=run.comparisons + _compare_pairs(kept, floors),
    )  # fmt: skip


def _floor(measurements: Sequence[Measurement], twin: Measurement) -> NoiseFloor:
    first = (twin.subject.removesuffix(TWIN), twin.condition)
    found = next((m for m in measurements if (m.subject, m.condition) == first), None)
    if found is None:
        raise ValueError(f"a twin of nothing: {twin.subject}, {twin.condition.words}")
    return noise_floor(found, twin)


def _compare_pairs(measurements: Sequence[Measurement], floors: Sequence[NoiseFloor]) -> tuple[Comparison, ...]:
    """Each subject with those after it, under every condition that has a noise floor."""
    compared = []
    for noise in floors:
        alike = [m for m in measurements if m.condition == noise.condition]
        compared += [compare(a, b, noise.floor) for i, a in enumerate(alike) for b in alike[i + 1 :]]
    return tuple(compared)
