"""Prototypes of every class in every domain, and how typical a text is of its class, at home and elsewhere.

A prototype is the mean embedding of one class in one domain. A text's instance weight is its cosine to its own
prototype and to the mean of that class over all other domains, half each (arXiv 2012.01266, section 3.1; the half is
the published code's). Labels and domains are numbers; there may be any number of either. Left out: prototypes of a
domain without its classes, which one public re-implementation uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ...teacher import teacher_inputs
from ...tokens import TokenizedTexts, sorted_batches
from ...training import device_of

OWN_SHARE = 0.5
"""Weight of the cosine to the own domain's prototype; the other domains' mean has the rest."""
EMBEDDING_BATCH = 64


@dataclass(frozen=True)
class Prototypes:
    """`means` [domains, classes, hidden], zero where `present` [domains, classes] says that a domain lacks a class."""

    means: Tensor
    present: Tensor


@torch.no_grad()
def embed_texts(encoder: Any, texts: TokenizedTexts) -> Tensor:
    """E(X) [texts, hidden]: the mean of the last layer's states, of a transformers model in eval mode."""
    rows = torch.zeros(len(texts), encoder.config.hidden_size)
    device = device_of(encoder)
    for indices in tqdm(sorted_batches(texts.lengths, EMBEDDING_BATCH), desc="embeddings", unit="batch", disable=None):
        batch = texts.batch(indices).to(device)
        out = encoder.base_model(**teacher_inputs(encoder, batch))
        rows[indices] = mean_of_tokens(out.last_hidden_state, batch.attention_mask).float().cpu()
    return rows


def mean_of_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """[batch, hidden]: the mean over positions 1..S, so without [CLS], and without padding (which published code
    counts). States [batch, sequence, hidden], mask [batch, sequence] of 1 and 0."""
    weights = mask[:, 1:, None].to(states.dtype)
    return (states[:, 1:] * weights).sum(1) / weights.sum(1).clamp_min(1)


def make_prototypes(embeddings: Tensor, labels: Tensor, domains: Tensor, *, count: tuple[int, int]) -> Prototypes:
    """From `embeddings` [texts, hidden], `labels` and `domains` [texts]. `count`: how many domains and classes."""
    cells = domains * count[1] + labels
    sums = torch.zeros(count[0] * count[1], embeddings.shape[1]).index_add_(0, cells, embeddings)
    members = torch.bincount(cells, minlength=count[0] * count[1])
    means = sums / members.clamp_min(1)[:, None]
    return Prototypes(means.reshape(*count, -1), (members > 0).reshape(count))


def instance_weights(embeddings: Tensor, labels: Tensor, domains: Tensor, prototypes: Prototypes) -> Tensor:
    """t [texts], from -1 to 1. A class that no other domain has is judged by its own prototype alone."""
    own = prototypes.means[domains, labels]
    others = prototypes.present.sum(0)[labels] - 1
    elsewhere = (prototypes.means.sum(0)[labels] - own) / others.clamp_min(1)[:, None]
    share = torch.where(others > 0, OWN_SHARE, 1.0)
    near, far = F.cosine_similarity(embeddings, own), F.cosine_similarity(embeddings, elsewhere)
    return share * near + (1 - share) * far
