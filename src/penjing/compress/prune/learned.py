"""Learned masks: which heads, neurons and whole sub-layers stay is trained together with the weights (CoFi).

Xia, Zhong and Chen 2022 (arXiv 2204.00408, section 3): hard-concrete gates, those of a sub-layer times those of its
units, and the Lagrangian l1 (s - t) + l2 (s - t)^2 that its multipliers raise until the expected sparsity s is the
target t, which rises from 0 over the first part of the run. What the student learns (logits, feature maps) is the
caller's loss. A layer of which nothing is left is skipped, norms included, so that it can be cut out whole. Left out:
gates on the hidden dimensions (`widths.py` cuts those), the learned choice of the teacher's layers, and the fine-tuning
that follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...runtime.errors import PruningError
from ..training import Evaluate, StepLoss, TrainingPlan, device_of, train
from .hard_concrete import gate, probability, sample
from .linear_costs import CostOf, expected_cost, linear_costs
from .round_masks import units_within
from .units import Encoder, MaskTensors, Shape, UnitMasks, applied, as_tensors, full_masks, layers_of

LARGEST_LOG_ALPHA = math.log(100)
"""Either way, as in CoFi's code: beyond it a gate is 1 (or 0) in nearly all samples and hardly moves back."""
START, START_NOISE = 2.0, 0.01
"""Of log alpha: 97% of the gates are open, and few steps close the first."""
MASK_TRAVEL, MULTIPLIER_TRAVEL = 20.0, 20.0
"""How far a log alpha and a multiplier may move in a whole run at full rate, whatever the number of steps: over 2,000
steps 0.01 each, CoFi's rate."""
START_MULTIPLIERS = (0.0, 50.0)
"""CoFi starts at 0 and has 40,000 steps to go up and come back; with a square term from the start (as in the method of
multipliers) 60 steps reach the target without overshooting."""
TARGET_RISE = 0.4
"""Share of all steps over which the target sparsity rises."""


class LearnedMasks(nn.Module):
    """Gates of every head, neuron, attention and feed-forward. `rate` is how many times as far as a weight they move.

    `gates` [sub-layers] and `units`, one [units] for each sub-layer in the order of `MaskTensors.all`, hold
    log_alpha / rate: Adam moves every parameter by about the learning rate, so a gate moves by rate times that.
    """

    def __init__(self, shape: Shape, cost: CostOf, rate: float, seed: int) -> None:
        super().__init__()
        self.shape, self.cost, self.rate = shape, cost, rate
        self.dense, self.costs = cost(shape), linear_costs(shape, cost)
        self.layout = as_tensors(full_masks(shape))
        source = torch.Generator().manual_seed(seed)
        sizes = [len(factors) for factors in self.layout.all]
        start = [START + START_NOISE * torch.randn(size, generator=source) for size in (len(sizes), *sizes)]
        self.gates = nn.Parameter(start[0] / rate)
        self.units = nn.ParameterList(nn.Parameter(own / rate) for own in start[1:])

    def sample(self) -> MaskTensors:
        """Random masks for one step, each the product of a unit's gate and its sub-layer's."""
        gates, units = self._log_alphas()
        return self._joined(sample(gates), [sample(own) for own in units])

    def sparsity(self) -> Tensor:
        """Expected share of the layers' cost that is cut, from 0 to 1, differentiable."""
        return (self.dense - self.expected_cost()) / (self.dense - self.costs.rest)

    def expected_cost(self) -> Tensor:
        """Mean cost of the models that `sample` leaves, in the cost's unit, differentiable."""
        gates, units = self._log_alphas()
        return expected_cost(self.shape, self.costs, probability(gates), [probability(own) for own in units])

    @torch.no_grad()
    def to_masks(self, limit: float, multiple: int = 1) -> tuple[tuple[int, ...], UnitMasks]:
        """The layers that stay, and the factors of their units, at a cost of at most `limit`.

        Units stay by their probability; factors are the gates at inference, for `apply_plan` to fold into the weights.
        Raises PruningError when the limit is below the smallest cut.
        """
        masks = self.rounded(limit, multiple)
        kept = tuple(index for index, heads in enumerate(masks.heads) if any(heads))
        return kept, UnitMasks(tuple(masks.heads[i] for i in kept), tuple(masks.neurons[i] for i in kept))

    @torch.no_grad()
    def rounded(self, limit: float, multiple: int = 1) -> UnitMasks:
        """The same cut as masks of all layers, with nothing left in those that go."""
        gates, units = self._log_alphas()
        scores = [own.cpu() for own in self._joined(probability(gates), [probability(own) for own in units]).all]
        stay = units_within(self.shape, scores, self.cost, limit, multiple)
        factors = [own.cpu() for own in self._joined(gate(gates), [gate(own) for own in units]).all]
        return self.layout.with_values([f * s for f, s in zip(factors, stay, strict=True)]).numbers()

    @torch.no_grad()
    def constrain(self) -> None:
        """Brings every log alpha back into its range; before each step."""
        for stored in self.parameters():
            stored.clamp_(-LARGEST_LOG_ALPHA / self.rate, LARGEST_LOG_ALPHA / self.rate)

    def _log_alphas(self) -> tuple[Tensor, list[Tensor]]:
        return _magnified(self.gates, self.rate), [_magnified(own, self.rate) for own in self.units]

    def _joined(self, gates: Tensor, units: list[Tensor]) -> MaskTensors:
        return self.layout.with_values([own * common for own, common in zip(units, gates, strict=True)])


class CoTraining(nn.Module):
    """An encoder that runs under freshly sampled masks, its masks and the multipliers: one module for `train`.

    `limit` is the budget, `steps` those of the whole run. All state is in parameters and one buffer, so a checkpoint
    holds it; the samples come from torch's generator, which `train` seeds by the step.
    """

    def __init__(self, model: Encoder, masks: LearnedMasks, limit: float, steps: int, rate: float) -> None:
        super().__init__()
        self.encoder, self.masks, self.steps, self.rate = model, masks, steps, rate
        self.target = (masks.dense - limit) / (masks.dense - masks.costs.rest)
        self.multipliers = nn.Parameter(torch.tensor(START_MULTIPLIERS) / rate)
        self.steps_done: Tensor
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))

    def forward(self, *inputs: Tensor, **options: Any) -> Any:
        """What the encoder gives under sampled masks."""
        with masked(self.encoder, self.masks.sample()):
            return self.encoder(*inputs, **options)

    def lagrangian(self) -> Tensor:
        """l1 (s - t) + l2 (s - t)^2 at the present target; the multipliers' gradient is turned round, they climb."""
        target = self.target * min(1.0, float(self.steps_done) / max(1.0, TARGET_RISE * self.steps))
        excess = self.masks.sparsity() - target
        linear, square = _magnified(self.multipliers, self.rate, slope=-1.0)
        loss: Tensor = linear * excess + square * excess.square()
        return loss


def learn_masks(
    model: Encoder,
    lengths: NDArray[np.int64],
    base_loss: StepLoss,
    evaluate: Evaluate,
    plan: TrainingPlan,
    cost: CostOf,
    limit: float,
    folder: Path,
    label: str,
    multiple: int = 1,
) -> tuple[tuple[int, ...], UnitMasks]:
    """Trains `model` and its masks together; returns the layers that stay and the factors of their units.

    `base_loss(module, indices)` calls the module like the encoder, once; `evaluate()` measures `model`, and does so
    here with the masks cut to the budget. The best such evaluation's weights are left in `model`. `folder` holds the
    checkpoint. Raises PruningError for a limit that is not below the dense cost or is below the smallest cut.
    """
    dense = cost(model.config)
    if not limit < dense:
        raise PruningError(f"the budget is {limit:.10g} and the model costs {dense:.10g}: ask for less than that")
    steps = max(1, math.ceil(plan.epochs * -(-len(lengths) // plan.batch_size)))
    speed = 1 / (steps * plan.learning_rate)
    masks = LearnedMasks(model.config, cost, MASK_TRAVEL * speed, plan.seed)
    both = CoTraining(model, masks, limit, steps, MULTIPLIER_TRAVEL * speed)

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        masks.constrain()
        loss = base_loss(module, indices) + both.lagrangian()
        both.steps_done += 1
        return loss

    def evaluate_cut() -> float:
        cut = as_tensors(masks.rounded(limit, multiple))
        with masked(model, cut.with_values([own.to(device_of(model)) for own in cut.all])):
            return evaluate()

    train(both, lengths, step_loss, evaluate_cut, plan, folder, label)
    return masks.to_masks(limit, multiple)


@contextmanager
def masked(model: Encoder, masks: MaskTensors) -> Iterator[None]:
    """`units.applied`, and a layer whose factors are all 0 passes its input on."""
    gone = [
        not any(bool(own.any()) for own in (heads, *neurons))
        for heads, neurons in zip(masks.heads, masks.neurons, strict=True)
    ]
    hooks = [layer.register_forward_hook(_pass_on) for layer, off in zip(layers_of(model), gone, strict=True) if off]
    try:
        with applied(model, masks):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _pass_on(_layer: nn.Module, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    states, scores = output
    return inputs[0] + 0.0 * states, scores  # parallel training needs a gradient, be it 0, for every weight


def _magnified(stored: Tensor, rate: float, slope: float = 1.0) -> Tensor:
    """`rate` times the parameter, with the gradient `slope`.

    `train` has one optimizer and one learning rate. Adam moves a parameter by about that rate whatever the size of its
    gradient, so what is stored small and read magnified moves that much faster, and a slope of -1 makes it climb. The
    slope is not `rate`, as the gradient's norm is clipped over all parameters together.
    """
    return slope * stored + (rate - slope) * stored.detach()
