"""How small networks of detectors are trained: Adam on a mean squared error, the best epoch on held-out rows kept.

Serves the autoencoders (the target is the input), distilled students (the teacher's scores) and fine-tuning for int8.
The learning rate rises and falls once (Smith and Topin 2017, arXiv 1708.07120). Everything runs on the CPU, where such
networks train in seconds, and depends on the seed alone. Left out: checkpoints, which seconds do not need, and
contamination: all rows count as normal.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ...runtime.errors import TrainingError

HELD_OUT = 10
"""One row in this many judges the epochs and is not trained on."""

Learner = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Descent:
    """How long and how fast; `learning_rate` is the highest. Raises TrainingError for values that train nothing."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or not self.learning_rate > 0:
            raise TrainingError(
                f"{self.epochs} epochs with batches of {self.batch_size} at the rate {self.learning_rate} train"
                " nothing: give at least 1 epoch, 2 rows a batch (batch norm needs them) and a rate above 0"
            )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Weights and batches inside the block depend on the seed alone, and torch's own state is as before after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def descend(
    network: nn.Module, inputs: Tensor, targets: Tensor, plan: Descent, label: str, learner: Learner | None = None
) -> nn.Module:
    """Trains `network` in place until network(inputs) is near `targets`; returns it in eval mode, as it was after
    the best epoch, or at the start if none is better.

    Both tensors are [n, ...], at least 4 rows; the last batch of an epoch that is not full is left out. `learner`
    computes in the network's place while it trains, with the same weights. Raises TrainingError for a loss that is
    not finite.
    """
    learner = learner or network
    with seeded(plan.seed):
        order = torch.randperm(len(inputs))
        held, rows = order[: max(1, len(order) // HELD_OUT)], order[max(1, len(order) // HELD_OUT) :]
        size = min(plan.batch_size, len(rows))
        batches = len(rows) // size
        adam = torch.optim.Adam(network.parameters(), plan.learning_rate)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, plan.learning_rate, total_steps=plan.epochs * batches)
        best = _held_out_loss(network, learner, inputs[held], targets[held])  # fine-tuning must not end worse
        kept = copy.deepcopy(network.state_dict())
        bar = tqdm(range(plan.epochs), desc=label, unit="epoch", disable=None, leave=False)
        for _ in bar:
            network.train()
            for picked in rows[torch.randperm(len(rows))][: batches * size].reshape(batches, size):
                _step(adam, (learner(inputs[picked]) - targets[picked]).square().mean(), label)
                rate.step()
            loss = _held_out_loss(network, learner, inputs[held], targets[held])
            bar.set_postfix(loss=f"{loss:.4f}")
            if loss < best:
                best, kept = loss, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return network.eval()


def _step(adam: torch.optim.Adam, loss: Tensor, label: str) -> None:
    if not torch.isfinite(loss):
        raise TrainingError(f"{label}: the loss is {loss.item()}: lower learning_rate or scale the columns")
    adam.zero_grad()
    torch.autograd.backward(loss)
    adam.step()


def _held_out_loss(network: nn.Module, learner: Learner, inputs: Tensor, targets: Tensor) -> float:
    network.eval()
    with torch.no_grad():
        return float((learner(inputs) - targets).square().mean())
