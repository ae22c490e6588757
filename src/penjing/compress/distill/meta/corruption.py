"""Domain corruption: a representation that must guess a domain which was drawn at random learns not to show its own.

z = Dropout(tanh(W (E_D(k) + mean of the last layer's states))); a head on it names a domain, and is told the batch's
domains in shuffled order (arXiv 2012.01266, section 3.2). Teacher and student each have such a part, which neither
ships. Left out: the head, which is the teacher's alone (`teacher.py`), and adversarial gradients, which the published
objective does without.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .prototypes import mean_of_tokens

PART_NAME = "domains.safetensors"
DROPOUT = 0.1
EMBEDDING_DEVIATION = 0.02
"""Of E_D's first values, as of BERT's tables: a domain must not drown the text that it is added to."""


class DomainPart(nn.Module):
    """E_D and W, for states of width `hidden` and any number of `domains`."""

    def __init__(self, hidden: int, domains: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(domains, hidden)
        nn.init.normal_(self.embeddings.weight, std=EMBEDDING_DEVIATION)
        self.dense = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, states: Tensor, mask: Tensor, domains: Tensor) -> Tensor:
        """z [batch, hidden] of `states` [batch, sequence, hidden], `mask` [batch, sequence], `domains` [batch]."""
        inner = self.embeddings(domains) + mean_of_tokens(states, mask)
        z: Tensor = self.dropout(torch.tanh(self.dense(inner)))
        return z


def shuffled(domains: Tensor) -> Tensor:
    """The batch's domain numbers in another order [batch]; torch's seed decides, as it decides dropout."""
    return domains[torch.randperm(len(domains)).to(domains.device)]


def corruption_losses(domain_logits: Tensor, wrong_domains: Tensor) -> Tensor:
    """L_DC of each text [batch]: cross-entropy with shuffled domains. Logits [batch, domains]."""
    return F.cross_entropy(domain_logits, wrong_domains, reduction="none")


def save_domain_part(part: DomainPart, folder: Path) -> None:
    """Writes `domains.safetensors`."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in part.state_dict().items()},
              folder / PART_NAME)  # fmt: skip


def load_domain_part(folder: Path) -> DomainPart:
    """What `save_domain_part` wrote, in eval mode, so without dropout."""
    weights = load_file(folder / PART_NAME)
    domains, hidden = weights["embeddings.weight"].shape
    part = DomainPart(hidden, domains)
    part.load_state_dict(weights)
    return part.eval()
