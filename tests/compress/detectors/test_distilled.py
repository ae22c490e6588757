"""Students against their teachers: a forest's ranks, the transfer set's kinds, and the gate that judges them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from detector_files import exported_scores, torch_scores
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from penjing.compress.detectors.distilled import distil_detector, teacher_scores, transfer_set
from penjing.compress.detectors.judge_student import judge_student, synthetic_outliers
from penjing.runtime.errors import DataError, TrainingError


def two_clusters(rows: int, seed: int = 0) -> np.ndarray:
    """[rows, 1, 4] around two centres, in columns of very different scales."""
    random = np.random.default_rng(seed)
    centres = np.where(random.random((rows, 1)) < 0.5, 3.0, -3.0)
    return ((centres + random.standard_normal((rows, 4))) * [1, 100, 0.01, 1] + [0, 0, 5, 0])[:, None]


def neighbours_of(samples: np.ndarray):
    """The distance to the fifth neighbour in standard units, as scikit-learn finds it."""
    rows = samples[:, 0]
    fitted = NearestNeighbors(n_neighbors=5).fit((rows - rows.mean(0)) / rows.std(0))
    return lambda x: fitted.kneighbors((x[:, 0] - rows.mean(0)) / rows.std(0))[0][:, -1]


class Radius(nn.Module):
    """A teacher that is a module."""

    def forward(self, samples: Tensor) -> Tensor:
        return samples.flatten(1).square().sum(1)


def test_a_student_ranks_rows_between_and_around_clusters_as_its_teacher_does() -> None:
    samples, test = two_clusters(300), two_clusters(200, seed=1)
    teacher = neighbours_of(samples)
    student = distil_detector(teacher, samples, transfer_rows=6000, epochs=15)
    mixed = np.concatenate([test, synthetic_outliers(test, np.random.default_rng(0))])
    assert spearmanr(torch_scores(student, mixed), teacher(mixed)).statistic > 0.95
    verdict = judge_student(teacher, student, test)
    assert verdict.passed and verdict.measure == "spearman" and "at least the 0.95" in verdict.sentence


def test_a_student_of_scores_of_both_signs_learns_them_in_quartile_ranges() -> None:
    samples = two_clusters(200)
    student = distil_detector(lambda x: x[:, 0, 0] * 1000 - 5, samples, transfer_rows=4000, epochs=15)
    wanted = samples[:, 0, 0] - np.median(samples[:, 0, 0])
    low, high = np.quantile(samples[:, 0, 0], [0.25, 0.75])
    np.testing.assert_allclose(torch_scores(student, samples), np.arcsinh(wanted / (high - low)), atol=0.1)


def test_exported_files_give_the_same_scores(tmp_path) -> None:
    samples = two_clusters(40).reshape(40, 2, 2)
    student = distil_detector(Radius(), samples, hidden=(8,), transfer_rows=200, epochs=2)
    for scores in exported_scores(student, samples.astype(np.float32), tmp_path).values():
        np.testing.assert_allclose(scores, torch_scores(student, samples), rtol=1e-4, atol=1e-5)


def test_every_quarter_of_the_transfer_set_lies_where_it_should() -> None:
    rows = np.stack([np.arange(100.0), -np.arange(100.0)], axis=1)[:, None]
    drawn = transfer_set(rows, 400, np.random.default_rng(0))
    noisy, between, swapped, beyond = drawn.reshape(4, 100, 2)
    assert np.abs(noisy - noisy.round()).max() > 0.1 and np.abs(noisy.sum(1)).max() < 10
    assert np.abs(between.sum(1)).max() < 1e-9 and between[:, 0].min() >= 0 and between[:, 0].max() <= 99
    assert np.array_equal(swapped, swapped.round()) and (swapped.sum(1) != 0).any()
    assert np.abs(beyond.sum(1)).max() < 1e-9 and (beyond[:, 0].min() < 0 or beyond[:, 0].max() > 99)


def test_teachers_that_give_nothing_to_learn_are_refused() -> None:
    samples = two_clusters(30)
    with pytest.raises(TrainingError, match="every sample the score 1"):
        distil_detector(lambda x: np.ones(len(x)), samples)
    with pytest.raises(TrainingError, match="30 of them not finite"):
        teacher_scores(lambda x: np.full(len(x), np.nan), samples)
    with pytest.raises(TrainingError, match=r"widths \[\].*such as 64,32"):
        distil_detector(Radius(), samples, hidden=())


def test_the_gate_allows_a_loss_of_two_hundredths_of_the_roc_area_and_no_more() -> None:
    labels = np.r_[np.zeros(100), np.ones(100)]
    samples = np.arange(200.0)[:, None, None]

    def student(lost: int) -> Callable[[np.ndarray], np.ndarray]:
        """Ranks so many of the hundred anomalies below every normal sample, which costs a hundredth each."""
        return lambda x: np.where((x[:, 0, 0] >= 100) & (x[:, 0, 0] < 100 + lost), -1, x[:, 0, 0])

    passed = judge_student(student(0), student(1), samples, labels)
    assert passed.passed and passed.measure == "roc_auc"
    assert passed.teacher == pytest.approx(1) and passed.student == pytest.approx(0.99)
    failed = judge_student(student(0), student(3), samples, labels)
    assert not failed.passed and failed.student == pytest.approx(0.97) and "below" in failed.sentence


def test_without_labels_a_student_that_knows_one_column_only_fails() -> None:
    samples = two_clusters(200)
    verdict = judge_student(neighbours_of(samples), lambda x: np.abs(x[:, 0, 0]), two_clusters(200, seed=1))
    assert not verdict.passed and verdict.student < 0.95
    assert not judge_student(Radius(), lambda x: np.zeros(len(x)), samples).passed


def test_labels_of_one_kind_are_refused() -> None:
    samples = two_clusters(20)
    with pytest.raises(DataError, match="all 20 labels are normal"):
        judge_student(Radius(), Radius(), samples, np.zeros(20))


def test_synthetic_outliers_change_a_part_of_the_columns_within_the_range() -> None:
    samples = two_clusters(300)
    made = synthetic_outliers(samples, np.random.default_rng(0))
    changed = (made != samples).reshape(300, 4).mean(1)
    assert 0.4 < changed.mean() < 0.6 and (changed == 0).any() and (changed == 1).any()
    margin = 0.1 * np.ptp(samples, axis=(0, 1))
    assert (made >= samples.min((0, 1)) - margin).all() and (made <= samples.max((0, 1)) + margin).all()


def test_a_module_scores_float32_in_parts_of_the_right_order() -> None:
    samples = np.linspace(-1, 1, 5000)[:, None, None]
    np.testing.assert_allclose(teacher_scores(Radius(), samples), samples[:, 0, 0] ** 2, rtol=1e-5, atol=1e-9)
    assert torch.is_grad_enabled()
