"""The gate of distilled detectors: may a student stand in for its teacher?

With labels, by the area under the ROC curve; without, by how alike both rank held-out normal rows and synthetic
outliers. A student that fails is not shipped. Left out: thresholds and alarms, which are judged file by file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import nn

from ...runtime.errors import DataError
from .distilled import Scores, Teacher, teacher_scores
from .scaling import Samples

LARGEST_LOSS = 0.02
"""Of the ROC area, student below teacher."""
LEAST_AGREEMENT = 0.95
"""Of the ranks over normal rows and synthetic outliers, Spearman."""
OUTLIERS_BEYOND = 0.1
"""Synthetic outliers are uniform over the normal rows' range and this share of it on both sides."""


@dataclass(frozen=True)
class Verdict:
    """Whether the student `passed`, the measure with both values (`teacher` is 1 for ranks), and why in a sentence."""

    passed: bool
    measure: Literal["roc_auc", "spearman"]
    teacher: float
    student: float
    sentence: str


def judge_student(
    teacher: Teacher | nn.Module,
    student: Teacher | nn.Module,
    samples: Samples,
    labels: NDArray[Any] | None = None,
    *,
    seed: int = 0,
) -> Verdict:
    """Judges on `samples` [n, window, channels] that neither was fitted on.

    `labels` [n] are 1 where a sample is anomalous; without them all samples count as normal, and as many synthetic
    outliers are added. Raises DataError when the labels are of one kind only.
    """
    if labels is not None:
        return _by_labels(teacher_scores(teacher, samples), teacher_scores(student, samples), np.asarray(labels))
    mixed = np.concatenate([samples, synthetic_outliers(samples, np.random.default_rng(seed))])
    return _by_ranks(teacher_scores(teacher, mixed), teacher_scores(student, mixed))


def synthetic_outliers(samples: Samples, random: np.random.Generator) -> Samples:
    """As many rows as `samples` [n, window, channels], a random part of whose columns is uniform noise.

    The part is uniform, too: some outliers differ in a column or two, some are noise all over.
    """
    low, high = samples.min(axis=(0, 1)), samples.max(axis=(0, 1))
    margin = OUTLIERS_BEYOND * (high - low)
    noise = random.uniform(low - margin, high + margin, samples.shape)
    return np.where(random.random(samples.shape) < random.random((len(samples), 1, 1)), noise, samples)


def _by_labels(teacher: Scores, student: Scores, labels: NDArray[Any]) -> Verdict:
    anomalous = labels != 0
    if anomalous.all() or not anomalous.any():
        raise DataError(
            f"all {len(labels)} labels are {'anomalous' if anomalous.all() else 'normal'}: a student is judged on both"
            " kinds, so give labels of both or none at all"
        )
    own, theirs = float(roc_auc_score(anomalous, student)), float(roc_auc_score(anomalous, teacher))
    passed = own >= theirs - LARGEST_LOSS
    sentence = (
        f"the student's ROC area is {own:.3f} and its teacher's {theirs:.3f} on {len(labels)} labelled samples:"
        f" {'within' if passed else 'below'} the {LARGEST_LOSS} it may lose"
    )
    return Verdict(passed, "roc_auc", theirs, own, sentence)


def _by_ranks(teacher: Scores, student: Scores) -> Verdict:
    constant = min(np.ptp(teacher), np.ptp(student)) == 0  # has no ranks
    agreement = 0.0 if constant else float(spearmanr(teacher, student).statistic)
    passed = agreement >= LEAST_AGREEMENT
    sentence = (
        f"student and teacher rank {len(teacher)} normal and synthetic samples alike to {agreement:.3f} (Spearman):"
        f" {'at least' if passed else 'below'} the {LEAST_AGREEMENT} asked for"
    )
    return Verdict(passed, "spearman", 1.0, agreement, sentence)
