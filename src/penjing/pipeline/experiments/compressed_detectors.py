"""The claims of compressed detectors: what distilling loses of the ROC area, and what tuning for int8 keeps of scores.

    python -m penjing.pipeline.experiments.compressed_detectors ADBENCH/*.npz --to FILE.json

Isolation forest and k-NN are distilled into a 64-32 network without labels, which here judge teacher and student alike;
dense autoencoders are scored as their int8 ONNX files score, before and after tuning (`tune_quantized.py`). Each table
is divided by each seed as `penjing suite adbench` divides it. Left out: other detectors as teachers.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ...benchmarks.detection import auc_roc
from ...compress.detectors.dense_autoencoder import DenseReconstruction, fit_dense_autoencoder
from ...compress.detectors.distilled import distil_detector
from ...compress.detectors.isolation_forest import fit_isolation_forest
from ...compress.detectors.judge_student import judge_student
from ...compress.detectors.nearest import fit_nearest
from ...compress.detectors.scaling import Samples
from ...compress.detectors.scores import score_with_torch
from ...compress.detectors.tune_quantized import rounded_scores, tune_quantized
from ...compress.samples import SampleSet
from ..claims import against, make_claim
from ..detection.samples import read_part, read_samples
from ..detection.sections import DetectorRecipe
from ..detection.suite import recipe_on
from ..recipe import load_recipe
from ..text_files import write_json
from ..workspace import Workspace

TEACHERS: dict[str, Callable[..., nn.Module]] = {"isolation-forest": fit_isolation_forest, "nearest": fit_nearest}
LARGEST_LOSS = 0.02
WHY = "missed in this run; see the rows"


@dataclass(frozen=True)
class Row:
    """A compressed detector on a table with a seed: ROC areas before and after; `passed` is the gate's word, `error`
    the median relative error of the test scores."""

    data: str
    seed: int
    what: str
    before: float
    after: float
    passed: bool | None = None
    error: float | None = None


def main() -> None:
    """Reads the command line, compresses and writes the claims."""
    parser = argparse.ArgumentParser(description="What distilling and int8 tuning keep of detectors.")
    parser.add_argument("tables", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("runs/compressed"))
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    base = load_recipe("adbench", ("data.limit=20000",))
    assert isinstance(base, DetectorRecipe)
    jobs = [(table, seed) for table in arguments.tables for seed in arguments.seeds]
    rows = [
        row for table, seed in tqdm(jobs, "tables") for row in compress(recipe_on(base, table, seed), arguments.out)
    ]
    command = f"python -m penjing.pipeline.experiments.compressed_detectors ADBENCH/*.npz --to {arguments.to}"
    claims = [{**claim, "command": command} for claim in claims_of(rows)]
    write_json(arguments.to, {"claims": claims, "rows": [asdict(row) for row in rows]})


def compress(recipe: DetectorRecipe, out: Path) -> Iterator[Row]:
    """The rows of one table and seed."""
    space = Workspace(out)
    with space.locked():
        data = read_samples(recipe, space)
    train, test = read_part(data, "train").rows, read_part(data, "test")
    held_out, name = read_part(data, "calibrate").rows, Path(recipe.data.train.split("::")[0]).stem
    for kind, fit in TEACHERS.items():
        teacher = fit(train, seed=recipe.seed).eval()
        student = distil_detector(teacher, train, seed=recipe.seed)
        passed = judge_student(teacher, student, held_out, seed=recipe.seed).passed
        before, after = (auc_roc(score_with_torch(m, test.rows), ~test.normal).value for m in (teacher, student))
        yield Row(name, recipe.seed, kind, before, after, passed)
    yield from _int8(name, recipe.seed, train, test)


def _int8(name: str, seed: int, train: Samples, test: SampleSet) -> Iterator[Row]:
    detector = fit_dense_autoencoder(train, seed=seed)
    exact = score_with_torch(detector, test.rows)
    before = auc_roc(exact, ~test.normal).value
    for what, module in (("int8", detector), ("tuned int8", tune_quantized(detector, train, seed=seed))):
        scores = _rounded(module, test.rows)
        error = float(np.median(np.abs(scores - exact) / np.maximum(np.abs(exact), np.finfo(np.float32).tiny)))
        yield Row(name, seed, what, before, auc_roc(scores, ~test.normal).value, error=error)


def _rounded(module: DenseReconstruction, rows: Samples) -> Any:
    with torch.no_grad():
        return rounded_scores(module, torch.tensor(rows, dtype=torch.float32)).double().numpy()


def claims_of(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Losses are means over the seeds of a table; distilled detectors are asked for eight tables of ten."""
    tables = tuple(dict.fromkeys(row.data for row in rows))
    for kind in TEACHERS:
        losses = [_loss(rows, kind, table) for table in tables]
        name = f"compressed.{kind}"
        kept = sum(loss <= LARGEST_LOSS for loss in losses)
        claim = make_claim(f"{name}.tables", kept, "", None, len(tables))
        yield against(claim, f">= {round(0.8 * len(tables))}", WHY)
        yield make_claim(f"{name}.loss", statistics.fmean(losses), "accuracy", None, len(tables))
        passed = [row.passed for row in rows if row.what == kind]
        yield make_claim(f"{name}.passed", sum(map(bool, passed)) / len(passed), "share", None, len(passed))
    for what in ("int8", "tuned int8"):
        name = f"compressed.{what.replace(' ', '-')}"
        yield make_claim(
            f"{name}.loss", max(_loss(rows, what, table) for table in tables), "accuracy", None, len(tables)
        )
        errors = [row.error for row in rows if row.what == what and row.error is not None]
        yield make_claim(f"{name}.error", statistics.median(errors), "share", None, len(errors))


def _loss(rows: Sequence[Row], what: str, table: str) -> float:
    return statistics.fmean(row.before - row.after for row in rows if (row.what, row.data) == (what, table))


if __name__ == "__main__":
    main()
