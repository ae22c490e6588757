"""What a meta-distilled student loses on each text: one number a text, so that each text's weight is its own.

The layers' and logits' losses are TinyBERT's (arXiv 1909.10351, section 3.1), the last one Meta-KD's (arXiv 2012.01266,
section 3.3). Each is a mean over all but the batch; padding is left out. Left out: the plain means over a batch that
other methods use (`losses.py`), which no weight of one text can reach.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def state_losses(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """L_emb or L_hid [batch]: mean squared difference over real tokens and directions.

    `student` already has the teacher's width: both [batch, sequence, hidden]; mask [batch, sequence] of 1 and 0.
    """
    return mean_of_each((student - teacher).square().mean(-1), mask)


def attention_losses(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """L_attn [batch]: mean squared difference of the scores before the softmax, over heads and pairs of real tokens.

    Both [batch, heads, sequence, sequence]; mask [batch, sequence] of 1 and 0.
    """
    pairs = mask[:, :, None] * mask[:, None, :]
    return mean_of_each((student - teacher).square().mean(1), pairs)


def decision_losses(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """L_pred [batch]: T^2 times the cross-entropy of the softened classes. Both logits [batch, labels]."""
    wanted = (teacher / temperature).softmax(-1)
    return F.cross_entropy(student / temperature, wanted, reduction="none") * temperature**2


def transferable_losses(student: Tensor, teacher: Tensor) -> Tensor:
    """L_TKD [batch]: mean squared difference of the domain-corrupted representations, both [batch, hidden]."""
    return (student - teacher).square().mean(-1)


def weighted_mean(losses: Tensor, expertise: Tensor) -> Tensor:
    """L_MD of a batch: each text's loss times its expertise weight, both [batch]; the mean, as the plan's rates are for
    means."""
    return (losses * expertise).mean()


def mean_of_each(values: Tensor, mask: Tensor) -> Tensor:
    """[batch]: the mean of each text's `values` where `mask` (same shape, batch first) is 1."""
    weights = mask.to(values.dtype)
    return (values * weights).flatten(1).sum(1) / weights.flatten(1).sum(1).clamp_min(1)
