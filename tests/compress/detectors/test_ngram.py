from pathlib import Path

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from penjing.compress.detectors.ngram import fit_ngram
from penjing.runtime.errors import TrainingError

HDFS = Path(__file__).parents[4] / "shared/data/anomaly/hdfs_sessions"


def sessions(*rows: list[int], window: int = 6) -> NDArray[np.float64]:
    cut = [row[:window] for row in rows]
    return np.array([row + [0] * (window - len(row)) for row in cut], dtype=float)[:, :, None]


TRAIN = sessions(*[[1, 2, 3], [1, 2, 2, 3]] * 5)


def test_surprisal_of_a_session_by_hand() -> None:
    # The places: padding, unknown, and three events. Of the 35 events and 10 ends, 10 are 1, 15 are 2, 10 are 3; one
    # more of each of the 5 makes the shares of events without context.
    alone = {0: 11 / 50, 1: 11 / 50, 2: 16 / 50, 3: 11 / 50, 9: 1 / 50}
    start = -np.log((10 + alone[1]) / 11)
    known = [start, -np.log((10 + alone[2]) / 11), -np.log((10 + alone[3]) / 16), -np.log((10 + alone[0]) / 11)]
    unknown = [start, -np.log(alone[9] / 11), -np.log(alone[0])]  # what follows an unknown event has no context
    scores = torch_scores(fit_ngram(TRAIN, over_events="mean"), sessions([1, 2, 3], [1, 9]))
    assert scores == pytest.approx([np.sum(known) / 3, np.sum(unknown) / 2], rel=1e-5)
    scores = torch_scores(fit_ngram(TRAIN, over_events="max"), sessions([1, 2, 3], [1, 9]))
    assert scores == pytest.approx([max(known), max(unknown)], rel=1e-5)
    scores = torch_scores(fit_ngram(TRAIN), sessions([1, 2, 3]))
    assert scores == pytest.approx([np.sqrt(np.square(known).sum() / 3)], rel=1e-5)


@pytest.mark.parametrize("order", [2, 3])
def test_wrong_order_unknown_events_and_an_early_end_surprise(order) -> None:
    fitted = fit_ngram(TRAIN, order=order)
    usual, *odd = torch_scores(fitted, sessions([1, 2, 3], [1, 3, 2], [1, 2, 77], [1, 2], [1, -5, 3], [1, 2, 10**9]))
    assert min(odd) > 1.5 * usual


def test_a_longer_padding_does_not_change_the_score() -> None:
    short, long = (fit_ngram(sessions([1, 2, 3], [2, 3], window=size)) for size in (4, 9))
    scores = [torch_scores(x, sessions([1, 3], window=n))[0] for x, n in ((short, 4), (long, 9))]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_single_events_have_no_order() -> None:
    scores = torch_scores(fit_ngram(TRAIN, order=1), sessions([1, 2, 3], [3, 2, 1]))
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_exported_files_give_the_same_scores(tmp_path: Path) -> None:
    fitted = fit_ngram(TRAIN, order=3)
    rows = sessions([1, 2, 3], [3, 2, 1, 1, 2, 3], [50, -3, 2], [2])
    for scores in exported_scores(fitted, rows, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, rows), rel=1e-4)


@pytest.mark.skipif(not HDFS.is_dir(), reason="the HDFS sessions are not in ../shared/data")
def test_hdfs_sessions_are_told_apart() -> None:
    usual, odd = (
        [[int(word) for word in line.split()] for line in (HDFS / name).read_text().splitlines()]
        for name in ("hdfs_train", "hdfs_test_abnormal")
    )
    fitted = fit_ngram(sessions(*usual[:3000], window=64))
    scores = torch_scores(fitted, sessions(*usual[3000:], *odd, window=64))
    labels = np.repeat([0, 1], [len(usual) - 3000, len(odd)])
    assert roc_auc_score(labels, scores) > 0.998


def test_sessions_that_are_no_sessions_are_refused() -> None:
    with pytest.raises(TrainingError, match="these have 2 channels"):
        fit_ngram(TRAIN.repeat(2, axis=2))
    with pytest.raises(TrainingError, match="whole numbers from 1 to 65535"):
        fit_ngram(TRAIN + 0.5)
    with pytest.raises(TrainingError, match="0 before an event"):
        fit_ngram(sessions([1, 0, 2], [1, 2]))
    with pytest.raises(TrainingError, match="only padding"):
        fit_ngram(np.zeros((3, 4, 1)))
    with pytest.raises(TrainingError, match="300 event ids make a table of 27543608 entries"):
        fit_ngram(sessions(*[[1 + i, 2 + i] for i in range(299)]), order=3)
    with pytest.raises(TrainingError, match="order is 4"):
        fit_ngram(TRAIN, order=4)
