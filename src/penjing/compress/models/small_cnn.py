"""A small convolutional classifier of 8x8 grey images, such as scikit-learn's digits: conv, batch norm, ReLU blocks.

The form that network slimming cuts (Liu et al. 2017, arXiv 1708.06519, section 3): every block's width is its own and
every channel has one scale, which starts at 0.5 as in their code. Only the first block pads, because the image it reads
is never cut; the later ones are unpadded, so that a channel with the same value everywhere adds the same value
everywhere and can be folded into a bias exactly (`prune/cut_channels.py`). Left out: pooling between blocks, dropout,
and files (`conv_files.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...runtime.errors import TrainingError

SIDE = 8
"""Height and width of the images; every block but the first takes two away."""
INITIAL_SCALE = 0.5
"""Of every batch norm: half the way to zero is saved, and the function is the same up to the next norm."""


@dataclass(frozen=True)
class SmallCnnConfig:
    """Channels of each block, and number of classes. Raises TrainingError for widths that make no network."""

    widths: tuple[int, ...] = (32, 32, 64, 64)
    classes: int = 10

    def __post_init__(self) -> None:
        most = SIDE // 2
        if not 1 <= len(self.widths) <= most or min(self.widths) < 1 or self.classes < 2:
            raise TrainingError(
                f"a small CNN of widths {self.widths} and {self.classes} classes cannot be built: give 1 to {most}"
                " blocks of at least one channel, and two classes or more"
            )

    def with_widths(self, widths: Sequence[int]) -> SmallCnnConfig:
        """The same network with other widths."""
        return replace(self, widths=tuple(widths))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> SmallCnnConfig:
        return SmallCnnConfig(**{**raw, "widths": tuple(raw["widths"])})


class ConvBlock(nn.Module):
    """3x3 convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.norm.weight, INITIAL_SCALE)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class SmallCnn(nn.Module):
    """Images [batch, 1, 8, 8] -> logits [batch, classes]."""

    def __init__(self, config: SmallCnnConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (1, *config.widths)
        self.block = nn.ModuleList(
            ConvBlock(inputs[i], width, padding=1 if i == 0 else 0) for i, width in enumerate(config.widths)
        )
        self.classifier = nn.Linear(config.widths[-1], config.classes)

    def blocks(self) -> dict[str, ConvBlock]:
        """The blocks, in order, under the names of their weights."""
        return {f"block.{i}": cast(ConvBlock, block) for i, block in enumerate(self.block)}

    def last(self) -> nn.Linear:
        """The layer that reads the last block."""
        return self.classifier

    def example(self) -> Tensor:
        """Two images of noise, always the same."""
        return torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for block in self.block:
            x = block(x)
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def random_small_cnn(config: SmallCnnConfig, seed: int) -> SmallCnn:
    """Torch's usual weights, drawn by `seed`."""
    torch.manual_seed(seed)
    return SmallCnn(config)
