"""The losses of MobileBERT's knowledge transfer (arXiv 2004.02984, section 3.4), each a plain function.

All mask padding out and give a mean over what is left. Left out: the mean and variance discrepancies of the official
code, which the normalised feature maps make small for a NoNorm student that starts from its teacher.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def logits_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(teacher || student) of the softened classes, mean over the batch (Hinton et al. 2015, section 2.1).

    Both [batch, labels].
    """
    log_student = F.log_softmax(student / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher / temperature, dim=-1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2


def feature_map_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of the layer-normalised states (without scale and shift), real tokens only.

    States [batch, sequence, hidden], mask [batch, sequence] of 1 and 0.
    """
    size = (student.shape[-1],)
    difference = F.layer_norm(student, size) - F.layer_norm(teacher, size)
    return masked_mean(difference.square().mean(-1), mask)


def attention_loss(student_scores: Tensor, teacher_weights: Tensor, mask: Tensor) -> Tensor:
    """KL(teacher || student) of every head's attention, mean over heads and real query tokens.

    Scores before the softmax and weights after it, [batch, heads, sequence, sequence]; padded keys count as absent.
    If the numbers of heads differ, both sides are first averaged over their heads.
    """
    absent = (1 - mask)[:, None, None, :].bool()
    log_student = student_scores.masked_fill(absent, -1e4).log_softmax(-1)
    if student_scores.shape[1] != teacher_weights.shape[1]:
        log_student = log_student.exp().mean(1, keepdim=True).clamp_min(1e-9).log()
        teacher_weights = teacher_weights.mean(1, keepdim=True)
    entropy = (teacher_weights * teacher_weights.clamp_min(1e-9).log()).sum(-1)
    cross = (teacher_weights * log_student).sum(-1)
    return masked_mean((entropy - cross).mean(1), mask)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` (same shape) is 1."""
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp_min(1)
