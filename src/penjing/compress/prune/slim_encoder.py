"""Slimming an encoder: it trains under the penalty on its neurons' scales, then the smallest ones are chosen to go.

Network slimming (Liu et al. 2017, arXiv 1708.06519, section 3) with the scales of `slimming.py`, its three steps split
as everywhere here: this trains and chooses, `apply.py` cuts, recovery is the fine-tuning. What the student learns is
the caller's loss. The penalty is L1 on lengths, so where the loss is indifferent a neuron goes to zero, bias included,
and leaves no shift behind to be folded into the next layer; what the others leave is refitted after the cut
(`rescale.py`). The training loop's weight decay stays on: in a step it takes off a weight a hundredth of the learning
rate times that weight, where Adam moves one that the penalty alone pulls by the whole rate. Left out: heads, which have
no scale of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ..training import Evaluate, StepLoss, TrainingPlan, device_of, train
from .linear_costs import CostOf
from .slimming import choose_neurons, scale_penalty
from .units import Encoder, UnitMasks, applied, as_tensors

DEFAULT_PENALTY = 1e-4
"""The published strength, a neuron."""


def slim_neurons(
    model: Encoder,
    lengths: NDArray[np.int64],
    base_loss: StepLoss,
    evaluate: Evaluate,
    plan: TrainingPlan,
    cost: CostOf,
    limit: float,
    strength: float,
    folder: Path,
    label: str,
    multiple: int = 1,
) -> UnitMasks:
    """Trains `model` with `strength` x the sum of its neurons' scales on top of `base_loss`; returns what stays.

    `evaluate()` measures `model`, and does so here with the neurons cut to the `limit` of `cost`; the weights of the
    best such evaluation are left in it. `folder` holds the checkpoint. Raises PruningError, before anything is trained,
    for a model that slimming cannot cut and for a limit that neurons alone cannot meet.
    """
    choose_neurons(model, cost, limit, multiple)

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        return base_loss(module, indices) + scale_penalty(model, strength)

    def evaluate_cut() -> float:
        cut = as_tensors(choose_neurons(model, cost, limit, multiple))
        with applied(model, cut.with_values([own.to(device_of(model)) for own in cut.all])):
            return evaluate()

    train(model, lengths, step_loss, evaluate_cut, plan, folder, label)
    return choose_neurons(model, cost, limit, multiple)
