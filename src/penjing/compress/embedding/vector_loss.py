"""What a student of vectors learns: its teacher's vectors, and how alike the teacher finds the texts of a batch.

Directions alone count: all vectors are brought to length 1, where the squared distance is twice the cosine loss, so
there is no MSE beside it. With `cuts` each loss is also taken on a vector's first numbers alone and the mean of all is
learnt (Kusupati et al. 2022, Matryoshka, arXiv 2205.13147, equation 1 with equal weights). Left out: hidden states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class VectorWeights(Protocol):
    """Weights of the two losses."""

    @property
    def vector_weight(self) -> float: ...
    @property
    def structure_weight(self) -> float: ...


def vector_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine; both [batch, size]."""
    return (1 - F.cosine_similarity(student, teacher, dim=1)).mean()


def structure_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the cosines of all pairs of different texts; [batch, size], sizes may differ."""
    own, taught = (F.normalize(vectors, dim=1) for vectors in (student, teacher))
    apart = ~torch.eye(len(own), dtype=torch.bool, device=own.device)
    if len(own) < 2:
        return own.sum() * 0
    return ((own @ own.T) - (taught @ taught.T))[apart].square().mean()


def learning_loss(
    student: Tensor, target: Tensor, teacher: Tensor, weights: VectorWeights, cuts: Sequence[int] = ()
) -> Tensor:
    """Both losses, the mean over the whole vectors and each of `cuts`.

    `student` and `target` [batch, size]: the vectors and what they should be; `teacher` [batch, teacher size]: the
    teacher's own, by which texts are alike.
    """
    sizes = (*cuts, student.shape[1])
    losses = [
        weights.vector_weight * vector_loss(student[:, :size], target[:, :size])
        + weights.structure_weight * structure_loss(student[:, :size], teacher)
        for size in sizes
    ]
    return torch.stack(losses).mean()
