"""SimCSE's losses (Gao, Yao and Chen 2021, arXiv 2104.08821, equations 4 and 5) as one plain function.

Left out: the masked-LM loss beside it, which helps other tasks and not similarity, and gathering vectors over
processes: each process contrasts within its own share of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive_loss(
    anchors: Tensor,
    positives: Tensor,
    *,
    temperature: float = 0.05,
    negatives: Tensor | None = None,
    hard_negative_weight: float = 0.0,
) -> Tensor:
    """Cross-entropy of finding each anchor's own positive among all of the batch by cosine; all [batch, size].

    Unsupervised, `positives` are the same texts under another dropout. With `negatives` every anchor is also held
    against all of these, and its own counts exp(hard_negative_weight) times: the weight is log alpha of equation 5,
    added on the diagonal alone.
    """
    anchors = F.normalize(anchors, dim=1)
    logits = anchors @ F.normalize(positives, dim=1).T / temperature
    if negatives is not None:
        hard = anchors @ F.normalize(negatives, dim=1).T / temperature
        own = torch.eye(len(anchors), dtype=hard.dtype, device=hard.device)
        logits = torch.cat([logits, hard + hard_negative_weight * own], dim=1)
    return F.cross_entropy(logits, torch.arange(len(anchors), device=logits.device))
