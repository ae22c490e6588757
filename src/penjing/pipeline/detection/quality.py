"""The stage that judges: how good each file's scores are on the test part, beside two baselines.

Max |z| and Mahalanobis are fitted and calibrated on the same samples: what does not beat them has not earned its bytes.
Left out: events of logs and texts, which these two cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ...benchmarks.detection import alarm_rates, auc_pr, auc_roc, event_scores
from ...benchmarks.nab import NabSeries, nab_score
from ...benchmarks.plain import from_plain, to_plain
from ...compress.detectors.mahalanobis import fit_mahalanobis
from ...compress.detectors.robust_z import fit_robust_z
from ...compress.samples import SampleSet
from ...export.verify import wilson_interval
from ...runtime.calibration import Threshold
from ...runtime.policy import AlarmPolicy, Flags, decide, no_votes
from ..report.detection import DetectorRow
from ..report.model import Share
from ..text_files import read_json, write_json
from ..workspace import Workspace
from .fit import score_with_torch
from .proof import TORCH, Made, Scores, calibrated, read_proof, read_scores
from .samples import read_part
from .sections import DetectorRecipe

BASELINES: dict[str, Callable[..., nn.Module]] = {"max |z|": fit_robust_z, "Mahalanobis": fit_mahalanobis}
FILE, BASELINE = "file", "baseline"


def judge_detector(recipe: DetectorRecipe, space: Workspace, made: Made) -> Path:
    """`quality.json`: one row a file, the torch detector's, and the baselines', whose scores are in `baselines.npz`."""

    def work(folder: Path) -> None:
        test, proof = read_part(made.data, "test"), read_proof(made.proof)
        found = {name: (scores, proof.thresholds[name]) for name, scores in read_scores(made.proof, "test").items()}
        rows = [judge(recipe, test, name, TORCH if name == TORCH else FILE, *pair) for name, pair in found.items()]
        baselines = dict(_baselines(recipe, made.data, test))
        rows += [judge(recipe, test, name, BASELINE, *pair) for name, pair in baselines.items()]
        kept: dict[str, Any] = {name: scores for name, (scores, _) in baselines.items()}
        np.savez(folder / "baselines.npz", **kept)
        write_json(folder / "quality.json", [to_plain(row) for row in rows])

    settings = {"alarms": recipe.alarms.model_dump(), "seed": recipe.seed, "period": recipe.stream.period_seconds}
    return space.stage("detector-quality", work, inputs=[made.data, made.proof], settings=settings)


def read_quality(folder: Path) -> tuple[DetectorRow, ...]:
    """What `judge_detector` wrote."""
    return tuple(from_plain(DetectorRow, row) for row in read_json(folder / "quality.json"))


def read_baselines(folder: Path) -> dict[str, Scores]:
    """Scores [n] of the test part by baseline."""
    with np.load(folder / "baselines.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def judge(
    recipe: DetectorRecipe, test: SampleSet, label: str, role: str, scores: Scores, threshold: Threshold
) -> DetectorRow:
    """All that these scores [n] of the test part can tell."""
    above = scores > threshold.threshold
    count, normals = int(above[test.normal].sum()), int(test.normal.sum())
    alarms = Share(count, normals, *wilson_interval(count, normals))
    row = DetectorRow(label, role, threshold.threshold, alarms)
    anomalous = ~test.normal
    if not anomalous.any():
        return row
    series = recipe.data.kind == "series"
    events = event_scores(
        policy_alarms(recipe, above), anomalous, tolerance=recipe.data.window - 1,
        period_seconds=recipe.stream.period_seconds,
    ) if series else None  # fmt: skip
    nab = _nab(recipe, scores, anomalous) if recipe.data.label_windows is not None else None
    return replace(
        row,
        auc_roc=auc_roc(scores, anomalous),
        auc_pr=auc_pr(scores, anomalous),
        rates=alarm_rates(scores, anomalous, threshold.threshold),
        events=events,
        nab=nab,
    )


def policy_alarms(recipe: DetectorRecipe, above: Flags) -> Flags:
    """[n] alarms by the recipe's policy among scores above the threshold; without a series each stands alone."""
    if recipe.data.kind != "series":
        return above
    policy = AlarmPolicy(recipe.alarms.count, recipe.alarms.of, recipe.alarms.gap)
    return decide(policy, above, no_votes(policy))[0]


def _baselines(recipe: DetectorRecipe, data: Path, test: SampleSet) -> Iterator[tuple[str, tuple[Scores, Threshold]]]:
    if recipe.data.kind in ("events", "texts"):
        return
    train, held_out = read_part(data, "train"), read_part(data, "calibrate")
    for name, fit in BASELINES.items():
        module = fit(train.rows, seed=recipe.seed).eval()
        threshold = calibrated(recipe.alarms, score_with_torch(module, held_out.rows), held_out)
        yield name, (score_with_torch(module, test.rows), threshold)


def _nab(recipe: DetectorRecipe, scores: Scores, anomalous: Flags) -> float:
    """Of the standard profile, at its best threshold, as the benchmark does; rows that were learned from count as
    scored lowest."""
    learned = recipe.data.train_share + recipe.data.calibrate_share
    before = round(learned / (1 - learned) * (len(scores) + recipe.data.window - 1)) + recipe.data.window - 1
    series = NabSeries(
        np.concatenate([np.full(before, -np.inf), scores]), np.concatenate([np.zeros(before, bool), anomalous])
    )
    return nab_score([series]).score
