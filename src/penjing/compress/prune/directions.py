"""Which directions of a state to keep: those in which it varies, and those in which the logits feel it.

Principal components as in SliceGPT (Ashkboos et al. 2024, arXiv 2401.15024, section 3.3) forget that a small component
may decide; so the second moments of the logits' slopes, each layer's scaled like its covariance, are added (the Fisher
weighting of Hsu et al. 2022, arXiv 2207.00112, here for activations). No labels are needed. Left out: cutting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...runtime.errors import PruningError
from ..tokens import Batch
from ..training import device_of
from .units import Encoder

MOST_CONTRASTS = 8
"""Backward passes a batch; with more classes than this plus one, so many random contrasts stand for all."""


@dataclass(frozen=True)
class Moments:
    """Of a state over the real tokens: `mean` [size], `covariance` and the slopes' second moment [size, size]."""

    mean: Tensor
    covariance: Tensor
    slopes: Tensor

    @property
    def importance(self) -> Tensor:
        """Covariance and slopes, each scaled to the trace 1, [size, size]."""
        return _unit_trace(self.covariance) + _unit_trace(self.slopes)

    @property
    def metric(self) -> Tensor:
        """How much an error of the state counts, by its direction: half felt by the logits, half for all alike."""
        return _unit_trace(self.slopes) + torch.eye(len(self.mean), dtype=self.slopes.dtype) / len(self.mean)


def state_moments(model: Encoder, batches: Sequence[Batch], sites: Mapping[str, nn.Module]) -> dict[str, Moments]:
    """Moments of what the modules in `sites` put out, [batch, sequence, size] each, on the texts of `batches`.

    Raises PruningError when there are no texts or a state is not finite.
    """
    if not batches:
        raise PruningError("there are no calibration texts: widths are cut after some, 1,500 are plenty")
    sums = {name: _Sums() for name in sites}
    count = torch.zeros(())
    for batch in batches:
        batch = batch.to(device_of(model))
        real = batch.attention_mask.bool()
        count = count + real.sum().cpu()
        with torch.enable_grad(), _caught(sites) as states:
            logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
            for name, state in states.items():
                sums[name].add_state(state.detach()[real])
            for contrast in _contrasts(model.num_labels).to(logits):
                slopes = torch.autograd.grad((logits @ contrast).sum(), list(states.values()), retain_graph=True)
                for name, slope in zip(states, slopes, strict=True):
                    sums[name].add_slopes(slope[real])
    moments = {name: part.moments(count.item()) for name, part in sums.items()}
    _check_finite(moments)
    return moments


def leading_directions(importance: Tensor, size: int) -> Tensor:
    """[dense, size]: orthonormal, the leading eigenvectors of a symmetric matrix [dense, dense]."""
    directions: Tensor = torch.linalg.eigh(importance).eigenvectors.flip(1)
    return directions[:, :size]


def without_mean(size: int) -> Tensor:
    """[size, size - 1]: orthonormal columns of mean 0, close to the axes (a Householder reflection)."""
    normal = torch.full((size,), size**-0.5, dtype=torch.float64)
    normal[-1] -= 1
    normal = normal / normal.norm().clamp_min(1e-12)
    reflection = torch.eye(size, dtype=torch.float64) - 2 * torch.outer(normal, normal)
    return reflection[:, :-1]


class _Sums:
    def __init__(self) -> None:
        self.total, self.square, self.slopes = torch.zeros(()), torch.zeros(()), torch.zeros(())

    def add_state(self, state: Tensor) -> None:
        self.total = self.total + state.double().sum(0).cpu()
        self.square = self.square + (state.T @ state).double().cpu()

    def add_slopes(self, slopes: Tensor) -> None:
        self.slopes = self.slopes + (slopes.T @ slopes).double().cpu()

    def moments(self, count: float) -> Moments:
        mean = self.total / count
        return Moments(mean, self.square / count - mean[:, None] * mean, self.slopes / count)


@contextmanager
def _caught(sites: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """What the modules put out inside the block, as tensors that the logits have slopes for."""
    states: dict[str, Tensor] = {}

    def catching(name: str) -> Any:
        def catch(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            # The first state must have slopes even where no weight is to be trained.
            states[name] = output if output.requires_grad else output.detach().requires_grad_()
            return states[name]

        return catch

    hooks = [module.register_forward_hook(catching(name)) for name, module in sites.items()]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _contrasts(labels: int) -> Tensor:
    """[contrasts, labels]: orthonormal directions of logits that a softmax sees."""
    source = torch.Generator().manual_seed(0)
    mixed = torch.randn(labels - 1, min(labels - 1, MOST_CONTRASTS), generator=source, dtype=torch.float64)
    contrasts: Tensor = without_mean(labels) @ torch.linalg.qr(mixed).Q
    return contrasts.T


def _unit_trace(matrix: Tensor) -> Tensor:
    return matrix / matrix.trace().clamp_min(1e-30)


def _check_finite(moments: Mapping[str, Moments]) -> None:
    """States first: one that is not finite spoils the slopes of all before it too."""
    bad = [name for name, part in moments.items() if not part.covariance.isfinite().all()]
    bad += [name for name, part in moments.items() if not part.slopes.isfinite().all()]
    if bad:
        raise PruningError(
            f"the states of {bad[0]} are not finite on the calibration text, and neither would be what is cut after"
            " them: the model's weights hold NaN or infinity, train it again"
        )
