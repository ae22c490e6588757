"""The simulated accelerometer: what is normal in it, what is not, and that a side to lie on is no anomaly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn

from penjing.compress.detectors.mahalanobis import fit_mahalanobis
from penjing.compress.load_samples import load_samples
from penjing.compress.motion import ANOMALIES, FEATURES, GRAVITY, RANGE, RATE, WINDOW, Motion, simulate_motion
from penjing.compress.samples import cut_windows
from penjing.pipeline.detection.sections import DetectorRecipe, Samples
from penjing.pipeline.recipe import load_recipe


@pytest.fixture(scope="module")
def motion() -> Motion:
    return simulate_motion()


@pytest.fixture(scope="module")
def detector(motion: Motion) -> nn.Module:
    return fit_mahalanobis(cut_windows(motion.train.rows, WINDOW, 4).copy()).eval()


def scores(detector: nn.Module, windows: NDArray[np.float64]) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = detector(torch.tensor(windows.astype(np.float32))).numpy()
    return found


def test_training_is_normal_and_every_kind_of_event_is_in_the_test(motion: Motion) -> None:
    assert motion.train.normal.all()
    np.testing.assert_array_equal(motion.test.labels == 1, motion.event != "")
    assert set(motion.event) == {"", *ANOMALIES}
    assert motion.train.features == FEATURES
    assert np.abs(motion.test.rows).max() <= RANGE
    assert motion.test.times is not None and motion.train.times is not None
    steps = np.diff(np.concatenate([motion.train.times, motion.test.times]))
    np.testing.assert_allclose(steps, 1 / RATE, rtol=1e-6)


def test_the_same_seed_gives_the_same_data_and_another_gives_others() -> None:
    first, again, other = (simulate_motion(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test.rows, again.test.rows)
    assert not np.array_equal(first.test.rows, other.test.rows)


def test_a_phone_at_rest_points_everywhere_and_no_scene_begins_with_a_jump(motion: Motion) -> None:
    up = motion.train.rows / np.linalg.norm(motion.train.rows, axis=1, keepdims=True)
    assert (up.min(axis=0) < -0.9).all() and (up.max(axis=0) > 0.9).all()
    jumps = np.linalg.norm(np.diff(motion.train.rows, axis=0), axis=1)
    assert jumps.max() < GRAVITY


def test_no_side_to_lie_on_comes_near_the_least_event(motion: Motion, detector: nn.Module) -> None:
    random = np.random.default_rng(0)
    sides = random.normal(size=(500, 1, 3))
    sides /= np.linalg.norm(sides, axis=2, keepdims=True)
    resting = GRAVITY * sides + 0.03 * random.normal(size=(500, WINDOW, 3))
    normal = scores(detector, cut_windows(motion.train.rows, WINDOW, 7))
    assert scores(detector, resting).max() < np.quantile(normal, 0.9)


def test_the_recipes_detector_tells_events_from_normal_motion(motion: Motion, detector: nn.Module) -> None:
    found, event = scores(detector, cut_windows(motion.test.rows, WINDOW)), motion.event[WINDOW - 1 :]
    assert roc_auc_score(event != "", found) > 0.99
    for name in ANOMALIES:
        asked = (event == name) | (event == "")
        assert roc_auc_score(event[asked] == name, found[asked]) > 0.95


def test_the_recipe_reads_them(monkeypatch: pytest.MonkeyPatch, motion: Motion) -> None:
    recipe = load_recipe("motion")
    assert isinstance(recipe, DetectorRecipe)
    assert (recipe.data.window, recipe.stream.period_seconds) == (WINDOW, 1 / RATE)
    monkeypatch.setattr("penjing.compress.load_samples.simulate_motion", lambda: motion)
    found = load_samples(recipe.data, Path, 1)
    assert found.train.features == found.test.features == FEATURES
    assert len(found.test) == len(motion.test)
    one = load_samples(Samples(kind="series", train="motion", features=("z",), window=WINDOW), Path, 1)
    assert one.test.rows.shape == (len(motion.test), 1)
