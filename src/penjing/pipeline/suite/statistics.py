"""Is a cell better than the baseline? Means over seeds, and all cells compared at once.

The question is about methods, not about single trained models, so seeds are what is repeated. Cells of a seed share its
data and its order, so they are compared within seeds: value = cell + seed + chance (randomized blocks; Fisher 1935, The
Design of Experiments), fitted by least squares, with one spread of chance for all cells. For two cells that is the
paired t test; with more, the spread is known from all of them, which three seeds of two cells would not tell. Holm's
procedure keeps the chance of any false verdict at 5%.

Why not McNemar's test: it asks whether two trained models differ, and only of decisions that are right or wrong; a
metric may as well be an F1 or a correlation. Left out: the chance that lies in which texts were held out; each file's
own interval tells it. A cell whose spread differs much from the others' has an interval that is too narrow or wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from ...benchmarks.log_ratios import holm

LEVEL = 0.05
TINY = 1e-12
"""Figures are shares; what is smaller came of rounding."""

Word = Literal["better", "worse", "not different", "cannot say", "baseline"]
Values = Mapping[str, Mapping[int, float]]
"""The metric by cell and seed."""


@dataclass(frozen=True)
class Contrast:
    """`difference` of a cell's metric from the baseline's with its own 95% interval, None where nothing tells it; `p`
    is that of no difference, after Holm where it stands in a verdict."""

    difference: float
    low: float | None
    high: float | None
    p: float | None
    verdict: Word = "cannot say"
    reason: str = ""


def compare_all(values: Values, baseline: str, *, lower_is_better: bool = False) -> dict[str, Contrast]:
    """Every cell but the baseline, those that share no seed with it left out. `values` hold no empty cell."""
    shared = {
        cell: found
        for cell, found in values.items()
        if cell != baseline and not found.keys().isdisjoint(values.get(baseline, {}))
    }
    if not shared:
        return {}
    drafts = contrasts({baseline: values[baseline], **shared}, baseline)
    known = {cell: draft.p for cell, draft in drafts.items() if draft.p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    return {cell: _judge(draft, adjusted.get(cell), lower_is_better) for cell, draft in drafts.items()}


def contrasts(values: Values, baseline: str) -> dict[str, Contrast]:
    """Each other cell less the baseline, each p alone, without verdicts. Cells and seeds may lack values."""
    cells, design, found = _design(values, baseline)
    solution, _, rank, _ = np.linalg.lstsq(design, found, rcond=None)
    freedom = len(found) - int(rank)
    spread = float(np.sum((found - design @ solution) ** 2)) / freedom if freedom else math.inf
    errors = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)))
    return {
        cell: _contrast(float(solution[i]), float(errors[i]) * math.sqrt(spread) if freedom else None, freedom)
        for i, cell in enumerate(cells)
    }


def _design(values: Values, baseline: str) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Cells other than the baseline; [values, these cells + seeds] of zeros and ones; the values.

    The first columns' coefficients are differences from the baseline, since every value has its seed's column.
    """
    cells = [cell for cell in values if cell != baseline]
    seeds = sorted({seed for found in values.values() for seed in found})
    points = [(cell, seed, value) for cell, found in values.items() for seed, value in found.items()]
    rows = [[*(cell == c for c in cells), *(seed == s for s in seeds)] for cell, seed, _ in points]
    return cells, np.array(rows, float), np.array([value for *_, value in points])


def _contrast(difference: float, error: float | None, freedom: int) -> Contrast:
    if error is None:
        return Contrast(difference, None, None, None, reason="one seed alone tells no spread: give more seeds")
    if error < TINY:
        return Contrast(difference, difference, difference, float(abs(difference) < TINY))
    half = float(student_t.ppf(1 - LEVEL / 2, freedom)) * error
    p = 2 * float(student_t.sf(abs(difference) / error, freedom))
    return Contrast(difference, difference - half, difference + half, p)


def _judge(draft: Contrast, p: float | None, lower_is_better: bool) -> Contrast:
    if p is None:
        return draft
    if p >= LEVEL:
        alone = f"{draft.p:.2g} becomes " if draft.p is not None and draft.p < LEVEL else ""
        words: tuple[Word, str] = "not different", f"may be chance: p = {alone}{p:.2g} (Holm)"
    else:
        good = (draft.difference < 0) == lower_is_better
        words = "better" if good else "worse", f"p = {p:.1g} (Holm)"
    return Contrast(draft.difference, draft.low, draft.high, p, *words)


def mean(values: Sequence[float]) -> float:
    """In one place, so that nobody takes another kind."""
    return float(np.mean(values))
