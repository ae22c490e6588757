"""The convolutional detector: windows of a wave against windows whose shape is broken, and its exported files."""

import numpy as np
import pytest
from detector_files import exported_scores, torch_scores

from penjing.compress.detectors.conv_autoencoder import default_encoder, fit_conv_autoencoder
from penjing.runtime.errors import TrainingError


def waves(count: int, seed: int = 0) -> np.ndarray:
    """[count, 32, 2]: two sines of one phase that differs from window to window."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, (count, 1)) + np.arange(32) * 2 * np.pi / 16
    both = np.stack([np.sin(angle), 5 * np.cos(angle)], axis=2)
    return both + 0.05 * random.standard_normal(both.shape)


def test_windows_in_another_order_of_time_score_higher() -> None:
    detector = fit_conv_autoencoder(waves(400), epochs=25)
    test = waves(100, seed=1)
    mixed = test[:, np.random.default_rng(2).permutation(32)]
    normal, broken = torch_scores(detector, test), torch_scores(detector, mixed)
    assert broken.min() > normal.max()


def test_the_score_is_the_mean_squared_error_over_the_window() -> None:
    samples = waves(30)
    detector = fit_conv_autoencoder(samples, epochs=1)
    detector.network.output.weight.data.zero_()
    detector.network.output.bias.data.zero_()
    standard = (samples - samples.mean((0, 1))) / samples.std((0, 1))
    np.testing.assert_allclose(torch_scores(detector, samples), (standard**2).mean((1, 2)), rtol=1e-4)


def test_the_default_code_is_a_quarter_of_the_window() -> None:
    assert default_encoder(channels=2, window=32) == (32, 16, 4)  # 4 x 32 / 8 = 16 of 64 numbers
    assert default_encoder(channels=4, window=12) == (32, 4)  # 12 can be halved twice
    assert default_encoder(channels=1, window=7) == (1,)


def test_exported_files_give_the_same_scores(tmp_path) -> None:
    samples = waves(24)
    detector = fit_conv_autoencoder(samples, encoder=(6, 4), epochs=3)
    for scores in exported_scores(detector, samples.astype(np.float32), tmp_path).values():
        np.testing.assert_allclose(scores, torch_scores(detector, samples), rtol=1e-4)


def test_windows_that_cannot_be_halved_say_what_can() -> None:
    with pytest.raises(TrainingError, match="take a multiple of 2"):
        fit_conv_autoencoder(waves(30)[:, :7])
    with pytest.raises(TrainingError, match="window of at least 2"):
        fit_conv_autoencoder(waves(30)[:, :1])
