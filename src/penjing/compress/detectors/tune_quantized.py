"""Quantization-aware fine-tuning: a dense autoencoder learns to score in int8 as it scores in float.

It computes with values rounded as `fake_quantization.py` rounds them (as int8 ONNX files do, the harsher of our two),
and its targets are the logarithms of its own float scores, of normal rows and of the rows around them that
`distilled.py` draws: scores of anomalies must not move either. Learning the reconstructions themselves leaves larger
errors of the scores (on ADBench's shuttle and mammography). The rounding of a row depends on that row alone, as on a
device that scores one sample at a time. Left out: convolutions, and static int8, whose ranges are fixed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...runtime.errors import TrainingError
from ..fake_quantization import WEIGHT_LEVELS, round_activations, round_rows
from ..models.dense_autoencoder import DenseAutoencoder
from .dense_autoencoder import FEWEST_ROWS, DenseReconstruction
from .descent import Descent, descend
from .distilled import BATCH_ROWS, transfer_set
from .scaling import Samples, check_fit, float_tensor, scaled

SMALLEST_SCORE = 0.01
"""Share of the normal rows' mean that is added before logarithms: rows that come back perfectly are not the aim."""


def tune_quantized(
    detector: DenseReconstruction,
    samples: Samples,
    *,
    transfer_rows: int = 12_000,
    epochs: int = 20,
    learning_rate: float = 3e-4,
    seed: int = 0,
) -> DenseReconstruction:
    """A copy of `detector` whose int8 files score nearer to its own float scores; its weights are plain.

    `samples` [n, window, channels] are the normal ones it was fitted on. Raises TrainingError when the detector's
    batch norm is not folded: the files have it folded, and rounding is that of folded weights.
    """
    check_fit(samples, "tune_quantized", FEWEST_ROWS)
    if any(isinstance(module, nn.BatchNorm1d) for module in detector.modules()):
        raise TrainingError("tune_quantized needs a network without batch norm: fold it (models.dense_autoencoder)")
    tuned = copy.deepcopy(detector)
    drawn = transfer_set(scaled(detector.scaler, samples), transfer_rows, np.random.default_rng(seed))
    rows = float_tensor(np.concatenate([scaled(detector.scaler, samples), drawn])).flatten(1)
    with torch.no_grad():
        scores = _errors(detector.network(rows), rows)
    least = SMALLEST_SCORE * float(scores[: len(samples)].mean()) + torch.finfo(torch.float32).tiny
    plan = Descent(epochs, BATCH_ROWS, learning_rate, seed)

    def learner(x: Tensor) -> Tensor:
        return (_errors(rounded_forward(tuned.network, x), x) + least).log()

    descend(tuned.network, rows, (scores + least).log(), plan, "int8 tuning", learner)
    return tuned


def rounded_scores(detector: DenseReconstruction, samples: Tensor) -> Tensor:
    """Scores [batch] of samples [batch, window, channels] as an int8 file gives them, one sample at a time."""
    rows = detector.scaler(samples).flatten(1)
    return _errors(rounded_forward(detector.network, rows), rows)


def rounded_forward(network: DenseAutoencoder, rows: Tensor) -> Tensor:
    """What a folded network makes of rows [batch, inputs] in int8; gradients pass as if nothing were rounded."""
    blocks: Iterable[Any] = network.blocks
    for block in blocks:
        rows = torch.relu(_product(block.linear, rows))
    return _product(network.output, rows)


def _errors(answers: Tensor, rows: Tensor) -> Tensor:
    errors: Tensor = (answers - rows).square().mean(1)
    return errors


def _product(layer: nn.Linear, rows: Tensor) -> Tensor:
    return F.linear(round_activations(rows), round_rows(layer.weight, WEIGHT_LEVELS), layer.bias)
