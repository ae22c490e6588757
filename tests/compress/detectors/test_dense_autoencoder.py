"""Dense autoencoders against arithmetic by hand, their exported files, and what a line through space leaves over."""

import math

import numpy as np
import pytest
import torch
from detector_files import exported_scores, torch_scores
from torch import nn

from penjing.compress.detectors.dense_autoencoder import DenseReconstruction, fit_dense_autoencoder, move_output_bias
from penjing.compress.detectors.scaling import standard_scaler
from penjing.compress.models.dense_autoencoder import (
    MLPERF_AD01,
    DenseAutoencoder,
    DenseAutoencoderConfig,
    folded,
    scaled_config,
)
from penjing.runtime.errors import TrainingError


def on_a_curve(rows: int, seed: int = 0) -> np.ndarray:
    """[rows, 1, 6]: six columns that one number decides, with scales of their own."""
    random = np.random.default_rng(seed)
    place = random.uniform(-1, 1, (rows, 1))
    columns = np.hstack([place, -place, place**2, np.sin(2 * place), 3 * place, np.cos(place)])
    return ((columns + 0.02 * random.standard_normal(columns.shape)) * [1, 10, 100, 1, 0.1, 5] + 7)[:, None]


def shuffled_columns(samples: np.ndarray) -> np.ndarray:
    """Every column from another row: each value is normal, together they are not."""
    random = np.random.default_rng(1)
    return np.stack([random.permutation(samples[..., c]) for c in range(samples.shape[2])], axis=2)


def test_the_mlperf_preset_has_the_published_layers_and_as_many_weights() -> None:
    network = DenseAutoencoder(MLPERF_AD01)
    products = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [layer.out_features for layer in products] == [128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    assert sum(layer.weight.numel() for layer in products) == 264_192


def test_the_scaled_preset_halves_twice_and_stays_two_wide() -> None:
    assert scaled_config(21).widths == (10, 5, 10)
    assert scaled_config(3).widths == (2, 2, 2)


def test_folding_batch_norm_changes_no_output_and_leaves_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    network = DenseAutoencoder(DenseAutoencoderConfig(6, (5, 3, 5)))
    for _ in range(5):
        network.train()(torch.randn(64, 6) * 3 + 1)
    rows = torch.randn(10, 6)
    before = network.eval()(rows)
    plain = folded(network)
    assert not any(isinstance(module, nn.BatchNorm1d) for module in plain.modules())
    torch.testing.assert_close(plain(rows), before, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network(rows), before, rtol=0, atol=0)


def test_the_score_is_the_mean_squared_error_in_scaled_units() -> None:
    samples = on_a_curve(60)
    standard = (samples[:, 0] - samples[:, 0].mean(0)) / samples[:, 0].std(0)
    network = folded(DenseAutoencoder(DenseAutoencoderConfig(samples.shape[2], (3,))))
    with torch.no_grad():
        expected = (network(torch.tensor(standard, dtype=torch.float32)).numpy() - standard) ** 2
    detector = DenseReconstruction(standard_scaler(samples), network)
    np.testing.assert_allclose(torch_scores(detector, samples), expected.mean(1), rtol=1e-4)


def test_moving_the_outputs_bias_into_the_scaler_changes_no_score() -> None:
    samples = on_a_curve(60)
    network = folded(DenseAutoencoder(DenseAutoencoderConfig(samples.shape[2], (3,))))
    nn.init.normal_(network.output.bias)
    detector = DenseReconstruction(standard_scaler(samples), network)
    expected = torch_scores(detector, samples)
    move_output_bias(detector)
    assert detector.network.output.bias is None
    np.testing.assert_allclose(torch_scores(detector, samples), expected, rtol=1e-4)
    assert fit_dense_autoencoder(samples, epochs=1).network.output.bias is None


def test_rows_that_break_the_rule_of_normal_rows_score_higher() -> None:
    detector = fit_dense_autoencoder(on_a_curve(600), widths=(16, 2, 16))
    test = on_a_curve(200, seed=2)
    normal, broken = torch_scores(detector, test), torch_scores(detector, shuffled_columns(test))
    assert np.median(broken) > 10 * np.quantile(normal, 0.95)


def test_the_same_seed_gives_the_same_detector_and_leaves_torchs_own_numbers_alone() -> None:
    samples = on_a_curve(50)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (fit_dense_autoencoder(samples, epochs=2, seed=4) for _ in range(2))
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    np.testing.assert_array_equal(torch_scores(first, samples), torch_scores(second, samples))
    other = fit_dense_autoencoder(samples, epochs=2, seed=5)
    assert not np.array_equal(torch_scores(first, samples), torch_scores(other, samples))


def test_exported_files_give_the_same_scores(tmp_path) -> None:
    samples = on_a_curve(40).reshape(40, 2, 3)
    detector = fit_dense_autoencoder(samples, epochs=5)
    for scores in exported_scores(detector, samples.astype(np.float32), tmp_path).values():
        np.testing.assert_allclose(scores, torch_scores(detector, samples), rtol=1e-4)


def test_too_few_rows_and_impossible_options_say_what_is_allowed() -> None:
    with pytest.raises(TrainingError, match="at least 20 rows, there are 19"):
        fit_dense_autoencoder(on_a_curve(19))
    with pytest.raises(TrainingError, match=r"widths \[4, 0\].*at least 1 everywhere"):
        fit_dense_autoencoder(on_a_curve(30), widths=(4, 0))
    with pytest.raises(TrainingError, match="0 epochs"):
        fit_dense_autoencoder(on_a_curve(30), epochs=0)


def test_a_loss_that_is_not_finite_is_an_error_and_not_a_detector() -> None:
    with pytest.raises(TrainingError, match="lower learning_rate"):
        fit_dense_autoencoder(on_a_curve(40), learning_rate=math.inf, epochs=3)
