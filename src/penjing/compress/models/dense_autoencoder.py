"""Dense autoencoders for rows of numbers: the MLPerf Tiny ad01 network and smaller ones of its kind.

Every hidden layer is a product, batch norm and ReLU; the output is a product alone. The presets are MLPerf Tiny's
network of machine sounds (Banbury et al. 2021, arXiv 2106.07597: 640 inputs, code of 8) and one that grows with the
row. Left out: the scaler and the score around it (`detectors/dense_autoencoder.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from ...runtime.errors import TrainingError

NARROWEST = 2
"""Widths of the scaled preset are at least this: a code of one number ranks rows little better than their size."""


@dataclass(frozen=True)
class DenseAutoencoderConfig:
    """`inputs` numbers a row and the widths of all hidden layers, the code among them.

    Raises TrainingError for a shape that makes no network.
    """

    inputs: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.widths or min(self.inputs, *self.widths) < 1:
            raise TrainingError(
                f"an autoencoder of {self.inputs} inputs and widths {list(self.widths)} cannot be built: give at least"
                " one hidden layer and at least 1 everywhere, such as 8,4,8"
            )


MLPERF_AD01 = DenseAutoencoderConfig(640, (*[128] * 4, 8, *[128] * 4))
"""Five frames of 128 mel bands; 264,192 weights of products."""


def scaled_config(inputs: int) -> DenseAutoencoderConfig:
    """Widths of a half, a quarter and a half of the row: the shape of the notes' MLP-AE, batch norm added."""
    half, quarter = max(NARROWEST, inputs // 2), max(NARROWEST, inputs // 4)
    return DenseAutoencoderConfig(inputs, (half, quarter, half))


class DenseBlock(nn.Module):
    """Product, batch norm, ReLU; the norm is an Identity once it is folded."""

    def __init__(self, inputs: int, outputs: int, folded: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.Identity() if folded else nn.BatchNorm1d(outputs)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.relu(self.norm(self.linear(rows)))


class DenseAutoencoder(nn.Module):
    """Rows [batch, inputs] -> their reconstruction, of the same shape. `folded` leaves batch norm out."""

    def __init__(self, config: DenseAutoencoderConfig, *, folded: bool = False) -> None:
        super().__init__()
        self.config = config
        sizes = zip((config.inputs, *config.widths), config.widths, strict=False)
        self.blocks = nn.ModuleList(DenseBlock(i, o, folded) for i, o in sizes)
        self.output = nn.Linear(config.widths[-1], config.inputs)

    def forward(self, rows: Tensor) -> Tensor:
        for block in self.blocks:
            rows = block(rows)
        out: Tensor = self.output(rows)
        return out


def folded(model: DenseAutoencoder) -> DenseAutoencoder:
    """The same function in eval mode, with batch norm inside the products; the given network stays as it is."""
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and then written over
        answer = DenseAutoencoder(model.config, folded=True).eval()
    blocks: Iterator[tuple[Any, Any]] = zip(answer.blocks, model.blocks, strict=True)
    for block, own in blocks:
        norm = own.norm
        fused = fuse_linear_bn_eval(own.linear.eval(), norm.eval()) if isinstance(norm, nn.BatchNorm1d) else own.linear
        block.linear.load_state_dict(fused.state_dict())
    answer.output.load_state_dict(model.output.state_dict())
    return answer
