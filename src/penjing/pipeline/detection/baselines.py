"""The stage that fits the baselines: max |z| and Mahalanobis, beside which every detector on the same data is judged.

What does not beat them has not earned its bytes. They depend on the data alone, so a suite fits them once a data set.
Left out: events of logs and texts, which these two cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from ...compress.detectors.mahalanobis import fit_mahalanobis
from ...compress.detectors.robust_z import fit_robust_z
from ...compress.detectors.scores import score_with_torch
from ...compress.load_samples import IDS
from ..workspace import Workspace
from .proof import HELD_OUT, write_scores
from .samples import read_part
from .sections import DetectorRecipe

BASELINES: dict[str, Callable[..., nn.Module]] = {"max |z|": fit_robust_z, "Mahalanobis": fit_mahalanobis}


def score_baselines(recipe: DetectorRecipe, space: Workspace, data: Path) -> Path:
    """`scores.npz`: what each baseline says of the calibration and test samples."""

    def work(folder: Path) -> None:
        train = read_part(data, "train").rows
        fits = {} if recipe.data.kind in IDS else BASELINES
        fitted = {name: fit(train, seed=recipe.seed).eval() for name, fit in fits.items()}
        held_out = [read_part(data, part).rows for part in HELD_OUT]
        write_scores({name: [score_with_torch(m, rows) for rows in held_out] for name, m in fitted.items()}, folder)

    return space.stage("detector-baselines", work, inputs=[data], settings={"seed": recipe.seed})
