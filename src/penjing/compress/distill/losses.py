"""The losses of knowledge transfer, each a plain function of tensors.

All mask padding out and give a mean over what is left. Left out: which of them a method adds up, and how (`methods/`).
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

ABSENT = -1e4
"""Stands for the score of a key that is padding; exp of it is zero."""
MEANS, VARIANCES = 50.0, 0.05
"""5000 and 5, beside 100 for the feature maps."""


def logits_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(teacher || student) of the softened classes, mean over the batch (Hinton et al. 2015, section 2.1).

    Both [batch, labels].
    """
    log_student = F.log_softmax(student / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher / temperature, dim=-1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2


def feature_map_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """MobileBERT's (arXiv 2004.02984, section 3.4): mean squared difference of the layer-normalised states, without
    scale and shift, real tokens only.

    States [batch, sequence, hidden], mask [batch, sequence] of 1 and 0.
    """
    size = (student.shape[-1],)
    difference = F.layer_norm(student, size) - F.layer_norm(teacher, size)
    return masked_mean(difference.square().mean(-1), mask)


def statistics_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Differences of the states' means (squared) and variances (absolute) over the hidden axis, real tokens only.

    Weighed as MobileBERT's official code weighs them beside a feature map loss of weight 1. States [batch, sequence,
    hidden], mask [batch, sequence].
    """
    means = (student.mean(-1) - teacher.mean(-1)).square()
    variances = (student.var(-1, correction=0) - teacher.var(-1, correction=0)).abs()
    return masked_mean(MEANS * means + VARIANCES * variances, mask)


def attention_loss(student_scores: Tensor, teacher_weights: Tensor, mask: Tensor) -> Tensor:
    """MobileBERT's, and MiniLM's (arXiv 2002.10957, section 3.1) on one layer: KL(teacher || student) of every head's
    attention, mean over heads and real query tokens.

    Scores before the softmax and weights after it, [batch, heads, sequence, sequence]; padded keys count as absent.
    If the numbers of heads differ, both sides are first averaged over their heads.
    """
    absent = (1 - mask)[:, None, None, :].bool()
    log_student = student_scores.masked_fill(absent, ABSENT).log_softmax(-1)
    if student_scores.shape[1] != teacher_weights.shape[1]:
        log_student = log_student.exp().mean(1, keepdim=True).clamp_min(1e-9).log()
        teacher_weights = teacher_weights.mean(1, keepdim=True)
    entropy = (teacher_weights * teacher_weights.clamp_min(1e-9).log()).sum(-1)
    cross = (teacher_weights * log_student).sum(-1)
    return masked_mean((entropy - cross).mean(1), mask)


def scores_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """TinyBERT's (arXiv 1909.10351, section 3.1): mean squared difference of the attention scores before the softmax.

    Scores [batch, heads, sequence, sequence]; pairs of real tokens only.
    """
    pairs = mask[:, None, :, None] * mask[:, None, None, :]
    return masked_mean((student - teacher).square(), pairs.expand_as(student))


def states_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """TinyBERT's, of projected states and of embeddings: mean squared difference, real tokens only.

    States [batch, sequence, hidden], mask [batch, sequence].
    """
    return masked_mean((student - teacher).square().mean(-1), mask)


def patient_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Patient KD's (Sun et al. 2019, arXiv 1908.09355, equation 7): squared distance of the first tokens' states, each
    at unit length, mean over the batch. Both [batch, hidden]."""
    return (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(-1).mean()


def cosine_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """DistilBERT's (arXiv 1910.01108, section 3): 1 - cosine of the states, mean over real tokens.

    States [batch, sequence, hidden], mask [batch, sequence].
    """
    return masked_mean(1 - F.cosine_similarity(student, teacher, dim=-1), mask)


def relation_loss(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """MiniLM's value relation (arXiv 2002.10957, section 3.2), MiniLMv2's relations (arXiv 2012.15828, section 3.1):
    KL of every token's relation to the others, softmax(X X^T / sqrt(size of a head)), teacher || student.

    X are queries, keys or values [batch, sequence, width], cut into `heads` relation heads, which must divide both
    widths. Mean over heads and real tokens.
    """
    return attention_loss(_products(student, heads), masked_softmax(_products(teacher, heads), mask), mask)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Over the real keys: [batch, heads, sequence, sequence], mask [batch, sequence]."""
    return scores.masked_fill((1 - mask)[:, None, None, :].bool(), ABSENT).softmax(-1)


def _products(x: Tensor, heads: int) -> Tensor:
    parts = x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
    return parts @ parts.transpose(-1, -2) / math.sqrt(parts.shape[-1])


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` (same shape) is 1."""
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp_min(1)
