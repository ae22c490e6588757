"""How far a teacher's word on one text is to be trusted: its expertise weight.

l_i = (1 + t_i) / (exp((p_i - 1)^2) + 1), with t_i the text's instance weight and p_i the teacher's probability of the
gold class (arXiv 2012.01266, section 3.3): typical texts that the teacher gets right teach most. One number a text, so
that it weighs that text's losses and no other's; published code multiplies a mean over the batch by it. Left out: texts
without a label, which have no such weight.
"""

from __future__ import annotations

from torch import Tensor


def gold_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """p [texts] of teacher logits [texts, classes] and gold labels [texts]."""
    return logits.softmax(-1).gather(1, labels[:, None])[:, 0]


def expertise_weights(instance_weights: Tensor, probabilities: Tensor) -> Tensor:
    """l [texts]; between (1 + t) / (e + 1), where the teacher is sure and wrong, and (1 + t) / 2."""
    return (1 + instance_weights) / ((probabilities - 1).square().exp() + 1)
