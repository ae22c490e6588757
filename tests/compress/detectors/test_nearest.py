from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from penjing.compress.detectors.nearest import fit_nearest
from penjing.runtime.errors import TrainingError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(300, 2, 3)) * [1, 10, 0.1] + 5
TEST = RANDOM.normal(size=(60, 2, 3)) * [2, 20, 0.2] + 5


def test_a_bank_of_all_rows_gives_scikit_learns_distance() -> None:
    spread = StandardScaler().fit(TRAIN.reshape(-1, 3))
    rows = [spread.transform(x.reshape(-1, 3)).reshape(len(x), -1) for x in (TRAIN, TEST)]
    expected = NearestNeighbors(n_neighbors=5).fit(rows[0]).kneighbors(rows[1])[0][:, -1]
    assert torch_scores(fit_nearest(TRAIN), TEST) == pytest.approx(expected, rel=1e-5)


def test_the_second_nearest_of_three_numbers() -> None:
    # Mean 4 and standard deviation 2 sqrt 2: from 5 the rows 2, 2, 8 lie 3, 3, 3 away, from 9 they lie 7, 7, 1 away.
    fitted = fit_nearest(np.array([2.0, 2.0, 8.0]).reshape(3, 1, 1), neighbours=2)
    scores = torch_scores(fitted, np.array([5.0, 9.0]).reshape(2, 1, 1))
    assert scores * 2 * np.sqrt(2) == pytest.approx([3, 7], rel=1e-6)


def test_a_training_row_lies_at_zero_from_itself() -> None:
    assert (torch_scores(fit_nearest(TRAIN, neighbours=1), TRAIN) == 0).all()


def test_the_bank_is_a_draw_of_the_rows_or_their_centres() -> None:
    drawn = fit_nearest(TRAIN, prototypes=40, seed=1)
    centres = fit_nearest(TRAIN, prototypes=40, neighbours=1, bank="centres")
    assert (torch_scores(fit_nearest(TRAIN, prototypes=40, neighbours=1, seed=1), TRAIN) == 0).sum() == 40
    assert drawn.bank.shape == centres.bank.shape == (40, 6)
    # Centres are means, so that no row but a cluster of its own is one of them.
    everywhere = torch_scores(centres, TRAIN).mean()
    assert everywhere < torch_scores(fit_nearest(TRAIN, prototypes=40, neighbours=1), TRAIN).mean()


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_nearest(TRAIN)
    for scores in exported_scores(fitted, TEST, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, TEST), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"neighbours": 0}, "neighbours is 0"), ({"prototypes": 4}, "offers 4"), ({"prototypes": 1}, "prototypes is 1")],
)
def test_an_option_out_of_range_is_named(options: dict[str, int], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        fit_nearest(TRAIN, **options)  # type: ignore[arg-type]
