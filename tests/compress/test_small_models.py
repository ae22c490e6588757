"""The small convolutional models: shapes, files, and the configurations that make no network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from penjing.compress.models.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig, doubled
from penjing.compress.models.conv_files import ConvModel, load_conv_model, save_conv_model
from penjing.compress.models.small_cnn import SmallCnn, SmallCnnConfig
from penjing.runtime.errors import TrainingError


def test_the_small_cnn_has_as_many_parameters_as_its_layers_say() -> None:
    model = SmallCnn(SmallCnnConfig((32, 32, 64, 64)))
    kernels = 9 * (1 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    assert sum(p.numel() for p in model.parameters()) == kernels + 2 * (32 + 32 + 64 + 64) + 64 * 10 + 10
    assert model(model.example()).shape == (2, 10)


@pytest.mark.parametrize(("channels", "window"), [(1, 8), (3, 64), (38, 96)])
def test_a_window_is_reconstructed_in_its_own_shape(channels: int, window: int) -> None:
    model = ConvAutoencoder(ConvAutoencoderConfig(channels, window)).eval()
    assert model(model.example()).shape == (2, channels, window)


def test_a_series_that_never_changes_stays_flat_up_to_the_borders() -> None:
    model = ConvAutoencoder(ConvAutoencoderConfig(2, 32)).eval()
    out = model(torch.full((1, 2, 32), 3.0))
    assert (out - out[:, :, :1]).abs().max() < 1e-6


def test_doubling_repeats_every_sample() -> None:
    assert doubled(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]]]


def test_an_autoencoder_learns_to_reconstruct_a_wave() -> None:
    torch.manual_seed(0)
    model = ConvAutoencoder(ConvAutoencoderConfig(1, 32, encoder=(8, 4), decoder=(8,)))
    phase = torch.rand(64, 1, 1) * 6.3
    windows = torch.sin(torch.arange(32) / 4 + phase)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(60):
        loss = (model(windows) - windows).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    error = (model(windows) - windows).square().mean().item()
    strange = (model(windows.flip(2).sign()) - windows.flip(2).sign()).square().mean().item()
    assert error < 0.05 * windows.square().mean().item()
    assert strange > 3 * error, "a square wave must stand out from the sines it learned"


MODELS: list[ConvModel] = [
    SmallCnn(SmallCnnConfig((5, 1, 7), classes=3)),
    ConvAutoencoder(ConvAutoencoderConfig(2, 16, encoder=(3, 1), decoder=(6,), kernel_size=3)),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_uneven_widths_round_trip_through_a_folder(model: ConvModel, tmp_path: Path) -> None:
    model.train()
    model(model.example())  # moves the running statistics away from their start
    save_conv_model(model, tmp_path / "model")
    again = load_conv_model(tmp_path / "model")
    assert type(again) is type(model)
    assert again.config == model.config
    model.eval()
    assert torch.equal(again(again.example()), model(model.example()))


def test_a_folder_that_holds_something_else_is_refused_in_one_line(tmp_path: Path) -> None:
    model = SmallCnn(SmallCnnConfig((4,)))
    save_conv_model(model, tmp_path)
    text = (tmp_path / "model.json").read_text()
    for broken in (text.replace("SmallCnn", "VGG"), text.replace("4", "6"), text.replace("4", "0"), "{", "[]"):
        (tmp_path / "model.json").write_text(broken)
        with pytest.raises(TrainingError) as caught:
            load_conv_model(tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(TrainingError, match="holds no convolutional model"):
        load_conv_model(tmp_path / "nowhere")


@pytest.mark.parametrize("widths", [(), (4, 0), (1, 2, 3, 4, 5)])
def test_widths_that_make_no_cnn_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match="1 to 4 blocks"):
        SmallCnnConfig(widths)


def test_shapes_that_make_no_autoencoder_are_refused() -> None:
    with pytest.raises(TrainingError, match="multiple of 8, such as 96"):
        ConvAutoencoderConfig(1, 100)
    with pytest.raises(TrainingError, match="one fewer"):
        ConvAutoencoderConfig(1, 64, encoder=(8, 4), decoder=(4, 8))
    with pytest.raises(TrainingError, match="odd kernel"):
        ConvAutoencoderConfig(1, 64, kernel_size=4)
    with pytest.raises(TrainingError, match="at least one channel"):
        ConvAutoencoderConfig(0, 64)
