from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from penjing.compress.detectors.one_class_svm import fit_one_class_svm
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def test_the_order_is_that_of_scikit_learn() -> None:
    fitted = fit_one_class_svm(TRAIN, nu=0.2)
    spread = StandardScaler().fit(TRAIN.reshape(-1, 3))
    rows = [spread.transform(x.reshape(-1, 3)).reshape(len(x), -1) for x in (TRAIN, TEST)]
    theirs = OneClassSVM(nu=0.2, gamma="auto").fit(rows[0])
    expected = -np.log(theirs.score_samples(rows[1]) / theirs.dual_coef_.sum())
    assert torch_scores(fitted, TEST) == pytest.approx(expected, rel=1e-5)


def test_one_row_twice_leaves_the_exponent_of_one_kernel() -> None:
    # A constant channel keeps its unit and gamma is 1: the score is the squared distance.
    fitted = fit_one_class_svm(np.ones((2, 1, 1)))
    assert torch_scores(fitted, np.array([[[1.0]], [[4.0]]])) == pytest.approx([0, 9], abs=1e-6)


def test_scores_go_on_growing_where_the_kernels_are_zero() -> None:
    near, far = torch_scores(fit_one_class_svm(TRAIN), np.stack([TRAIN[0] + 1e4, TRAIN[0] + 2e4]))
    assert np.isfinite(far) and far > near > 1000


def test_prototypes_bound_the_support_vectors() -> None:
    assert 49 <= len(fit_one_class_svm(TRAIN, nu=0.98, prototypes=50).vectors) <= 50


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_one_class_svm(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"nu": 0.0}, "nu is 0.0"),
        ({"nu": 1.0}, "nu is 1.0"),
        ({"gamma": -1.0}, "gamma is -1"),
        ({"prototypes": 1}, "is 1"),
    ],
)
def test_an_option_out_of_range_is_named(options: dict[str, float], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        fit_one_class_svm(TRAIN, **options)  # type: ignore[arg-type]
