"""The scaler that all detectors hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from penjing.compress.detectors.scaling import scaled, standard_scaler

RANDOM = np.random.default_rng(0)


def test_it_scales_as_scikit_learns_does() -> None:
    samples = RANDOM.normal(size=(50, 1, 3)) * (1, 10, 0.1) + (0, 100, -5)
    expected = StandardScaler().fit_transform(samples[:, 0])
    scaler = standard_scaler(samples)
    np.testing.assert_allclose(scaled(scaler, samples)[:, 0], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scaler(torch.tensor(samples, dtype=torch.float32))[:, 0], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-9, -123456.7])
def test_a_constant_channel_keeps_its_unit_though_its_mean_is_rounded(value: float) -> None:
    samples = np.full((1000, 1, 1), value)
    assert scaled(standard_scaler(samples), samples + 2).max() == pytest.approx(2, rel=1e-2)
