"""The stage that judges: how good the scores of each file and of the baselines are on the test part.

Left out: how near a file comes to the torch detector (`proof.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...benchmarks.detection import alarm_rates, auc_pr, auc_roc, event_scores
from ...benchmarks.nab import NabSeries, nab_score
from ...benchmarks.plain import from_plain, to_plain
from ...compress.samples import SampleSet
from ...export.verify import wilson_interval
from ...runtime.calibration import Threshold
from ...runtime.policy import Flags, decide, no_votes
from ..report.detection import DetectorRow
from ..report.model import Share
from ..text_files import read_json, write_json
from ..workspace import Workspace
from .baselines import score_baselines
from .proof import TORCH, Made, Scores, calibrated, read_proof, read_scores
from .samples import read_part
from .sections import DetectorRecipe

FILE, BASELINE = "file", "baseline"


def judge_detector(recipe: DetectorRecipe, space: Workspace, made: Made) -> Path:
    """`quality.json`: one row a file, the torch detector's, and the baselines'."""
    baselines = score_baselines(recipe, space, made.data)

    def work(folder: Path) -> None:
        test, proof = read_part(made.data, "test"), read_proof(made.proof)
        found = {name: (scores, proof.thresholds[name]) for name, scores in read_scores(made.proof, "test").items()}
        rows = [judge(recipe, test, name, TORCH if name == TORCH else FILE, *pair) for name, pair in found.items()]
        held_out, calibration = read_part(made.data, "calibrate"), read_scores(baselines, "calibrate")
        for name, scores in read_scores(baselines, "test").items():
            threshold = calibrated(recipe.alarms, calibration[name], held_out)
            rows.append(judge(recipe, test, name, BASELINE, scores, threshold))
        write_json(folder / "quality.json", [to_plain(row) for row in rows])

    settings = {"alarms": recipe.alarms.model_dump(), "seed": recipe.seed, "period": recipe.stream.period_seconds}
    inputs = [made.data, made.proof, baselines]
    return space.stage("detector-quality", work, inputs=inputs, settings=settings)


def read_quality(folder: Path) -> tuple[DetectorRow, ...]:
    """What `judge_detector` wrote."""
    return tuple(from_plain(DetectorRow, row) for row in read_json(folder / "quality.json"))


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
    return decide(recipe.alarms.policy, above, no_votes(recipe.alarms.policy))[0]


def _nab(recipe: DetectorRecipe, scores: Scores, anomalous: Flags) -> float:
    """Of the standard profile, at its best threshold, as the benchmark does; rows that were learned from count as
    scored lowest."""
    learned = recipe.data.train_share + recipe.data.calibrate_share
    before = round(learned / (1 - learned) * (len(scores) + recipe.data.window - 1)) + recipe.data.window - 1
    series = NabSeries(
        np.concatenate([np.full(before, -np.inf), scores]), np.concatenate([np.zeros(before, bool), anomalous])
    )
    return nab_score([series]).score
