from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from penjing.compress.detectors.lof import BAND, fit_lof
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def test_a_bank_of_all_rows_gives_scikit_learns_factor_but_beside_a_tie() -> None:
    # A 21st row in the band of the 20th counts in part; six of these sixty have one.
    spread = StandardScaler().fit(TRAIN.reshape(-1, 3))
    rows = [spread.transform(x.reshape(-1, 3)).reshape(len(x), -1) for x in (TRAIN, TEST)]
    reference = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(rows[0])
    expected = -reference.score_samples(rows[1])
    last, next_one = reference.kneighbors(rows[1], 21)[0][:, -2:].T
    apart = next_one >= last + BAND * (1 + last)
    scores = torch_scores(fit_lof(TRAIN), TEST)
    assert apart.sum() >= 54
    assert scores[apart] == pytest.approx(expected[apart], rel=1e-5)
    assert scores[~apart] == pytest.approx(expected[~apart], rel=1e-2)


def test_the_factor_of_a_number_beside_four() -> None:
    # k = 2 on 0, 1, 2, 3: k-distances 2, 1, 1, 2. From 5 the neighbours are 3 and 2, at 2 and 3, so the mean reach is
    # 5/2. That of 3 (to 2 and 1) is (1 + 2) / 2, of 2 (to 1 and 3, whose k-distance is 2) (1 + 2) / 2; factor 5/3.
    fitted = fit_lof(np.arange(4.0).reshape(4, 1, 1), neighbours=2)
    assert torch_scores(fitted, np.array([[[5.0]]])) == pytest.approx([5 / 3], rel=1e-6)


def test_rows_equally_far_are_all_neighbours() -> None:
    # From the middle of a lattice of 6 x 6 there are 4 rows at the first distance and 8 at the second: with the sixth
    # nearest come all 12, whatever the order of the rows.
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 2), axis=-1).reshape(36, 1, 2)
    fitted = fit_lof(lattice, neighbours=6)
    lengths = np.linalg.norm(lattice[:, 0] - 2.5, axis=1)
    twelve = lengths < 1.6
    reach = np.maximum(lengths / lattice[:, 0, 0].std(), fitted.distance.numpy())[twelve].mean()
    expected = fitted.density.numpy()[twelve].mean() * reach
    assert twelve.sum() == 12
    assert torch_scores(fitted, np.full((1, 1, 2), 2.5)) == pytest.approx([expected], rel=1e-5)


def test_a_draw_of_the_rows_finds_the_outliers_too() -> None:
    scores = torch_scores(fit_lof(TRAIN, prototypes=100), np.concatenate([TRAIN[:50], TRAIN[:50] + 100]))
    assert scores[:50].max() < scores[50:].min()


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_lof(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


def test_too_many_neighbours_are_named() -> None:
    with pytest.raises(TrainingError, match="neighbours is 20, the bank offers 9"):
        fit_lof(TRAIN, prototypes=10)
