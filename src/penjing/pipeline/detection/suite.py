"""A suite: many data sets through many detectors, each fitted, exported, proven and judged, side by side in one table.

What was done is kept: a suite that was stopped continues. Left out: bundles and latencies, which `penjing run` makes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...benchmarks.plain import to_plain
from ...runtime.errors import RecipeError
from ..recipe import AnyRecipe, check_recipe
from ..report.detection import DetectorRow
from ..run import make_detector
from ..workspace import Workspace
from .proof import TORCH, FileProof, read_proof
from .quality import BASELINE, judge_detector, read_quality
from .sections import DetectorRecipe

ARRAYS = {".npz": ("::X", "::y")}
"""What is added to the name of such a file: the arrays of samples and labels."""


@dataclass(frozen=True)
class Entry:
    """One detector on one data set with one seed: its scores' quality (of the torch detector) and its files' proofs."""

    data: str
    detector: str
    seed: int
    quality: DetectorRow
    files: tuple[FileProof, ...]
    broken: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = to_plain(self)
        return plain


def run_suite(
    recipe: AnyRecipe, out: Path, files: Sequence[Path], detectors: Sequence[str], seeds: Sequence[int]
) -> list[Entry]:
    """One entry a file, detector and seed, baselines first; without `files`, of the recipe's own data.

    A detector is named by its kind and takes that kind's defaults, but the recipe's own kind keeps its options. Raises
    RecipeError where a detector cannot read the data.
    """
    if not isinstance(recipe, DetectorRecipe):
        raise RecipeError(f"{recipe.name} is a recipe for text: a suite runs recipes for anomaly-detection")
    space, found = Workspace(out), list[Entry]()
    with space.locked():
        jobs = [(recipe_on(recipe, file, seed), seed) for file in files or (None,) for seed in seeds]
        with tqdm(total=len(jobs) * len(detectors), desc="suite", unit="detector", disable=None) as bar:
            for base, seed in jobs:
                for place, detector in enumerate(detectors):
                    found += _judge(with_detector(base, detector), space, seed, place == 0)
                    bar.update()
    return found


def recipe_on(recipe: DetectorRecipe, file: Path | None, seed: int) -> DetectorRecipe:
    """The recipe on another file, divided and fitted by `seed`."""
    if file is None:
        return recipe.model_copy(update={"seed": seed})
    samples, labels = ARRAYS.get(file.suffix, ("", None))
    changed = {"train": f"{file}{samples}"} | ({} if labels is None else {"label": f"{file}{labels}"})
    return recipe.model_copy(update={"seed": seed, "data": recipe.data.model_copy(update=changed)})


def with_detector(recipe: DetectorRecipe, kind: str) -> DetectorRecipe:
    """The recipe with another detector; raises RecipeError for one that is unknown or cannot read such data."""
    if kind == recipe.detector.kind:
        return recipe
    changed = check_recipe({**recipe.model_dump(), "detector": {"kind": kind}}, f"{recipe.name} with {kind}")
    assert isinstance(changed, DetectorRecipe)
    return changed


def table(entries: Sequence[Entry], metric: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows: a row a data set, a column a detector, means over the seeds of `auc_roc` or `auc_pr`."""
    detectors, sets = tuple(dict.fromkeys(e.detector for e in entries)), tuple(dict.fromkeys(e.data for e in entries))
    means = {(data, detector): mean_of(entries, metric, data, detector) for data in sets for detector in detectors}
    rows = [(data, *(_cell(means[data, detector]) for detector in detectors)) for data in sets]
    overall = [[means[data, detector] for data in sets] for detector in detectors]
    rows.append(("mean", *(_cell(_mean(column)) for column in overall)))
    return ("data", *detectors), rows


def mean_of(entries: Sequence[Entry], metric: str, data: str, detector: str) -> float | None:
    """Over the seeds; None without labels."""
    found = [getattr(e.quality, metric) for e in entries if (e.data, e.detector) == (data, detector)]
    return None if None in found else statistics.fmean(estimate.value for estimate in found)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _judge(recipe: DetectorRecipe, space: Workspace, seed: int, baselines: bool) -> Iterator[Entry]:
    """The detector's entry, after the baselines' where asked: they are the same beside each detector."""
    made = make_detector(recipe, space)
    proof = read_proof(made.proof)
    data = Path(recipe.data.train.split("::")[0]).stem
    rows = read_quality(judge_detector(recipe, space, made))
    for row in sorted(rows, key=lambda row: row.role != BASELINE):
        if row.role == BASELINE and baselines:
            yield Entry(data, row.label, seed, row, (), ())
        elif row.role == TORCH:
            row = replace(row, label=recipe.detector.kind)
            yield Entry(data, recipe.detector.kind, seed, row, proof.files, proof.broken)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
