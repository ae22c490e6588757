from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from penjing.compress.detectors.mahalanobis import fit_mahalanobis
from penjing.compress.detectors.pca import fit_pca
from penjing.export.quantize import quantize_onnx
from penjing.pipeline.detection.proof import score_one_by_one
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
MIX = RANDOM.normal(size=(5, 5)) * [10, 5, 1, 0.5, 0.1]
TRAIN = RANDOM.normal(size=(400, 1, 5)) @ MIX.T + 100
TEST = RANDOM.normal(size=(60, 1, 5)) * 3 + 100


def test_scores_are_scikit_learns_t2_and_q() -> None:
    spread = StandardScaler().fit(TRAIN[:, 0])
    train, test = (spread.transform(x[:, 0]) for x in (TRAIN, TEST))
    reference = PCA(n_components=2, whiten=True).fit(train)
    t2 = np.square(reference.transform(test)).sum(axis=1)
    q = [np.square(x - reference.inverse_transform(reference.transform(x))).sum(axis=1) for x in (train, test)]
    share = reference.explained_variance_ratio_.sum()
    fitted = fit_pca(TRAIN, variance=share - 1e-6)
    assert fitted.components.shape == (5, 2)
    assert torch_scores(fitted, TEST) == pytest.approx(t2 + q[1] / (q[0].mean() / 3), rel=1e-4)


def test_all_components_give_mahalanobis_distance() -> None:
    # scikit-learn's PCA divides by n - 1, its covariance by n.
    expected = torch_scores(fit_mahalanobis(TRAIN), TEST) * 399 / 400
    assert torch_scores(fit_pca(TRAIN, variance=1), TEST) == pytest.approx(expected, rel=1e-3)


def test_leaving_the_line_is_worse_than_going_far_along_it() -> None:
    along = RANDOM.normal(size=(500, 1, 1))
    fitted = fit_pca(np.concatenate([along, along + RANDOM.normal(size=(500, 1, 1)) * 0.05], axis=2), variance=0.9)
    far, off = torch_scores(fitted, np.array([[[3.0, 3.0]], [[0.5, -0.5]]]))
    assert off > 10 * far


def test_channels_that_repeat_or_never_change_leave_scores_finite() -> None:
    train = np.concatenate([TRAIN, TRAIN[:, :, :1], np.full((400, 1, 1), 4.0)], axis=2)
    fitted = fit_pca(train, variance=1)
    assert torch_scores(fitted, train).mean() == pytest.approx(5, rel=0.01)
    broken = train[:1].copy()
    broken[0, 0, 5] += 1
    assert torch_scores(fitted, broken)[0] > 10 * 5
    assert np.isfinite(torch_scores(fit_pca(np.full((4, 2, 3), 4.0)), train[:2, :, :3].repeat(2, axis=1))).all()


def test_exported_files_of_a_window_give_the_same_scores(tmp_path: Path) -> None:
    series = RANDOM.normal(size=(300, 8, 3)).cumsum(axis=1)
    fitted = fit_pca(series, variance=0.9)
    samples = RANDOM.normal(size=(20, 8, 3)) * 4
    for scores in exported_scores(fitted, samples, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, samples), rel=1e-4)


def test_an_int8_file_ranks_as_the_float_one_even_where_no_residual_is_left(tmp_path: Path) -> None:
    fitted = fit_pca(TRAIN, variance=1)
    float_scores = exported_scores(fitted, TEST, tmp_path, ("onnx",))["onnx"]
    quantize_onnx(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    assert spearmanr(score_one_by_one(tmp_path / "int8.onnx", TEST), float_scores)[0] > 0.98


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match="variance is 0: give a share above 0 and at most 1"):
        fit_pca(TRAIN, variance=0)
