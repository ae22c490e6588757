"""The closed forms that weights start from: what the teacher computes, regressions on it, whitening, a narrower basis.

Left out: which weight takes which solution; that is `from_teacher.py`'s for MobileBERT students.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..teacher import teacher_inputs
from ..tokens import Batch

RIDGE = 1e-3
"""Ridge of the regressions, relative to the mean variance of their inputs."""


@dataclass(frozen=True)
class TeacherTrace:
    """What the teacher computed, real tokens only: `hidden` [layers + 1][tokens, hidden], `middle` [layers][tokens,
    hidden] after attention and its norm, `logits` [sentences, outputs], or of words [words, outputs]."""

    hidden: tuple[Tensor, ...]
    middle: tuple[Tensor, ...]
    logits: Tensor


def layer_map(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """For each student layer the teacher layer whose output it learns: evenly spaced, the last one to the last."""
    return tuple(round((i + 1) * teacher_layers / student_layers) - 1 for i in range(student_layers))


@torch.no_grad()
def trace_teacher(teacher: nn.Module, batches: Sequence[Batch]) -> TeacherTrace:
    """Runs the teacher and keeps its hidden states, the states between attention and feed-forward, and its logits."""
    base: Any = teacher.base_model
    caught: list[Tensor] = []
    hooks = [
        layer.attention.register_forward_hook(lambda _m, _i, output: caught.append(output[0]))
        for layer in base.encoder.layer
    ]
    hidden: list[list[Tensor]] = []
    middle: list[list[Tensor]] = []
    logits: list[Tensor] = []
    try:
        for batch in batches:
            caught.clear()
            out = teacher(**teacher_inputs(teacher, batch), output_hidden_states=True)
            real = batch.attention_mask.bool()
            hidden.append([state[real].float() for state in out.hidden_states])
            middle.append([state[real].float() for state in caught])
            logits.append(batch.rows_of(out.logits.float()))
    finally:
        for hook in hooks:
            hook.remove()
    return TeacherTrace(_join(hidden), _join(middle), torch.cat(logits))


def basis(states: Tensor, size: int) -> Tensor:
    """[hidden, size]: the identity if sizes agree, else the principal directions of `states` [tokens, hidden]."""
    if states.shape[1] == size:
        return torch.eye(size)
    centred = states - states.mean(0)
    directions: Tensor = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)
    return directions[:, :size]


def regress(inputs: Tensor, targets: Tensor, ridge: float = RIDGE) -> tuple[Tensor, Tensor]:
    """Ridge regression with an intercept: [n, i], [n, o] -> weight [o, i] and bias [o] of a linear layer."""
    x_mean, y_mean = inputs.mean(0), targets.mean(0)
    x, y = (inputs - x_mean).double(), (targets - y_mean).double()
    gram = x.T @ x
    gram += torch.eye(len(gram), dtype=gram.dtype) * (ridge * gram.diagonal().mean() + 1e-12)
    weight = torch.linalg.solve(gram, x.T @ y).T.float()
    return weight, y_mean - weight @ x_mean


@dataclass(frozen=True)
class Whitening:
    """Coordinates of unit variance: w = to_white (x - mean), x = mean + from_white w."""

    mean: Tensor
    to_white: Tensor
    from_white: Tensor


def whiten(states: Tensor) -> Whitening:
    """Whitening of [tokens, size]; directions with next to no variance are kept small rather than blown up."""
    mean = states.mean(0)
    centred = (states - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(states))
    values = values.clamp_min(values.max() * 1e-5)
    to_white = (vectors * values.rsqrt()) @ vectors.T
    from_white = (vectors * values.sqrt()) @ vectors.T
    return Whitening(mean, to_white.float(), from_white.float())


def _join(batches: list[list[Tensor]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))
