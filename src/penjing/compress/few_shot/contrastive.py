"""Contrastive prompts (CP-Tuning, Xu et al. 2022, arXiv 2204.00166): no words for classes, only texts of each.

What the model makes of the mask, by the transform of its masked-LM head and of length 1, is pulled together within a
class and pushed apart between classes by a pair-wise loss that weighs each pair by how far it is from done. In its
authors' code (EasyNLP, `fewshot_application.CircleLoss`), which this follows, that loss is the circle loss
(Sun et al. 2020, arXiv 2002.10857, equations 5 and 6) over the pairs of a batch, with margin 0.4 and scale 64. A text
has the class of the nearest labelled text. Left out: the masked-LM loss beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..masked_lm import MaskedLm
from ..tokens import Batch
from .prompting import Prompting

MARGIN, SCALE = 0.4, 64.0
LOGIT_SCALE = 10.0
"""From cosines to logits. Trained pairs are at least 0.6 alike and others at most 0.4, or on the way there."""
DEFAULT_PATTERN = "{text} {prompt} {prompt} {mask}"
"""Two vectors that are learnt and the mask: nothing of it is of one task or language."""


def contrastive_prompts(classes: int) -> Prompting:
    """How a masked LM learns so many classes without words for them."""
    return Prompting(read_mask, circle_loss, lambda *features: nearest_logits(*features, classes=classes))


def read_mask(model: MaskedLm, batch: Batch, asked: Tensor) -> Tensor:
    """Vectors of length 1, [batch, hidden], of the asked token of each row."""
    states = model.bert(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
    ).last_hidden_state
    head: torch.nn.Module = model.cls["predictions"]
    features: Tensor = head.get_submodule("transform")(states[asked])
    return F.normalize(features.float(), dim=1)


def circle_loss(features: Tensor, labels: Tensor, margin: float = MARGIN, scale: float = SCALE) -> Tensor:
    """log(1 + sum_n exp(scale a_n (s_n - margin)) sum_p exp(-scale a_p (s_p - 1 + margin))), s the cosines of pairs,
    a_n = max(s_n + margin, 0) and a_p = max(1 + margin - s_p, 0) without gradient.

    p are the pairs of one class, n those of two. `features` [batch, hidden] of length 1, `labels` [batch]. 0 where the
    batch lacks either kind.
    """
    cosines = features @ features.T
    same = labels[:, None] == labels[None, :]
    once = torch.ones_like(same).triu(1)
    near, far = cosines[same & once], cosines[~same & once]
    if not len(near) or not len(far):
        return features.sum() * 0
    near_weight = (1 + margin - near.detach()).clamp_min(0)
    far_weight = (far.detach() + margin).clamp_min(0)
    pull = torch.logsumexp(-scale * near_weight * (near - (1 - margin)), 0)
    push = torch.logsumexp(scale * far_weight * (far - margin), 0)
    return F.softplus(pull + push)


def nearest_logits(features: Tensor, known: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """Of each text and class the cosine of the nearest labelled text, times LOGIT_SCALE: [texts, classes].

    `features` [texts, hidden]; `known` [labelled, hidden] and their `labels` hold every class.
    """
    cosines = features @ known.T
    best = [cosines[:, labels == number].amax(1) for number in range(classes)]
    return LOGIT_SCALE * torch.stack(best, 1)
