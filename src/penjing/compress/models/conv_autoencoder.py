"""A compact convolutional autoencoder for windows of a multichannel series: the detector of collective anomalies.

Every encoder block halves the window (stride 2), every decoder block and the output layer double it (nearest
neighbour, then a convolution, which leaves none of the checkerboard of transposed convolutions: Odena et al. 2016,
Distill). Batch norm and ReLU follow each convolution but the last, and each block has its own width, so that network
slimming can cut it. Convolutions pad by repeating the edge: a channel with the same value everywhere then adds the same
value everywhere and can be folded into a bias exactly, which zero padding allows only away from the borders
(`prune/cut_channels.py`). Left out: the scaler and the score around it, which make a detector of it, and files
(`conv_files.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .small_cnn import INITIAL_SCALE


@dataclass(frozen=True)
class ConvAutoencoderConfig:
    """Shape of a window, [channels, window], and the width of each block.

    `encoder` has one width a halving, `decoder` one fewer, since the output layer doubles as well. The code between
    them is encoder[-1] x window / 2^len(encoder) numbers. Raises TrainingError for a shape that makes no network.
    """

    channels: int
    window: int
    encoder: tuple[int, ...] = (32, 16, 8)
    decoder: tuple[int, ...] = (16, 32)
    kernel_size: int = 5

    def __post_init__(self) -> None:
        step = 2 ** len(self.encoder)
        if min(self.channels, *self.widths, self.kernel_size) < 1 or self.kernel_size % 2 == 0:
            raise TrainingError(
                f"an autoencoder of {self.channels} channels, widths {self.widths} and kernel {self.kernel_size} cannot"
                " be built: give at least one channel everywhere and an odd kernel"
            )
        if not self.encoder or len(self.decoder) != len(self.encoder) - 1:
            raise TrainingError(
                f"{len(self.encoder)} encoder and {len(self.decoder)} decoder widths do not fit: give the decoder one"
                " fewer than the encoder, since the output layer doubles the window as well"
            )
        if self.window < step or self.window % step:
            raise TrainingError(
                f"a window of {self.window} samples cannot be halved {len(self.encoder)} times: take a multiple of"
                f" {step}, such as {max(1, round(self.window / step)) * step}, or fewer encoder widths"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Of all blocks, in order."""
        return self.encoder + self.decoder

    def with_widths(self, widths: Sequence[int]) -> ConvAutoencoderConfig:
        """The same network with other widths, in the order of `widths`."""
        depth = len(self.encoder)
        return replace(self, encoder=tuple(widths[:depth]), decoder=tuple(widths[depth:]))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> ConvAutoencoderConfig:
        return ConvAutoencoderConfig(**{**raw, "encoder": tuple(raw["encoder"]), "decoder": tuple(raw["decoder"])})


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.conv = convolution(inputs, outputs, kernel_size, stride, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        nn.init.constant_(self.norm.weight, INITIAL_SCALE)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class ConvAutoencoder(nn.Module):
    """Windows [batch, channels, window] -> their reconstruction, of the same shape."""

    def __init__(self, config: ConvAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (config.channels, *config.widths)
        sizes = list(zip(inputs, config.widths, strict=False))
        depth, kernel = len(config.encoder), config.kernel_size
        self.encoder = nn.ModuleList(ConvBlock(i, o, kernel, stride=2) for i, o in sizes[:depth])
        self.decoder = nn.ModuleList(ConvBlock(i, o, kernel, stride=1) for i, o in sizes[depth:])
        self.output = convolution(inputs[-1], config.channels, kernel, stride=1, bias=True)

    def blocks(self) -> dict[str, ConvBlock]:
        """The blocks, in order, under the names of their weights."""
        parts = (("encoder", self.encoder), ("decoder", self.decoder))
        return {f"{name}.{i}": cast(ConvBlock, block) for name, part in parts for i, block in enumerate(part)}

    def last(self) -> nn.Conv1d:
        """The layer that reads the last block."""
        return self.output

    def example(self) -> Tensor:
        """Two windows of noise, always the same."""
        return torch.randn(2, self.config.channels, self.config.window, generator=torch.Generator().manual_seed(0))

    def forward(self, windows: Tensor) -> Tensor:
        x = windows
        for block in self.encoder:
            x = block(x)
        for block in self.decoder:
            x = block(doubled(x))
        out: Tensor = self.output(doubled(x))
        return out


def convolution(inputs: int, outputs: int, kernel_size: int, stride: int, *, bias: bool) -> nn.Conv1d:
    """Keeps the length, or halves it at stride 2."""
    return nn.Conv1d(
        inputs, outputs, kernel_size, stride, padding=kernel_size // 2, padding_mode="replicate", bias=bias
    )


def doubled(x: Tensor) -> Tensor:
    """[batch, channels, time] -> [batch, channels, 2 time], every sample twice."""
    return torch.stack((x, x), dim=-1).flatten(2)
