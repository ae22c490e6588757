"""What a meta-teacher says beside its logits and layers, of each training text: kept on disk next to them.

Left out: the corpus. A text without a label and a domain has neither an expertise weight nor anything to transfer
between domains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...tokens import TokenizedTexts, sorted_batches
from ..teacher_cache import TEACHER_BATCH, TeacherOutputs, read_teacher_outputs
from .corruption import DomainPart, load_domain_part
from .expertise import expertise_weights, gold_probabilities
from .teacher import read_instance_weights

NAME = "meta.safetensors"


@dataclass(frozen=True)
class MetaKnowledge:
    """`domains` [texts], `expertise` l [texts], and z_T, `z` [texts, teacher hidden], without columns where
    the teacher's states were not kept; `domain_count` is the number of domains."""

    domains: Tensor
    expertise: Tensor
    z: Tensor
    domain_count: int


def write_meta_knowledge(
    teacher: Path, outputs: Path, texts: TokenizedTexts, labels: Sequence[int], domains: Sequence[int]
) -> None:
    """Works out `meta.safetensors` from the meta-teacher's folder and its outputs for `texts`, and adds it to them."""
    kept, part = read_teacher_outputs(outputs, texts), load_domain_part(teacher)
    weights, homes = torch.from_numpy(read_instance_weights(teacher)), torch.tensor(domains)
    sure = gold_probabilities(torch.from_numpy(kept.logits), torch.tensor(labels))
    tensors = {
        "domains": homes,
        "expertise": expertise_weights(weights, sure),
        "z": _transferable(kept, part, texts, homes),
        "domain_count": torch.tensor(part.embeddings.num_embeddings),
    }
    save_file(tensors, outputs / NAME)


def read_meta_knowledge(outputs: Path) -> MetaKnowledge | None:
    """What `write_meta_knowledge` wrote; None where the teacher is a plain one."""
    if not (outputs / NAME).is_file():
        return None
    tensors = load_file(outputs / NAME)
    count = int(tensors["domain_count"])
    return MetaKnowledge(tensors["domains"], tensors["expertise"], tensors["z"], count)


@torch.no_grad()
def _transferable(kept: TeacherOutputs, part: DomainPart, texts: TokenizedTexts, domains: Tensor) -> Tensor:
    if kept.hidden is None:
        return torch.zeros(len(texts), 0)
    found = torch.zeros(len(texts), part.dense.out_features)
    every = np.ones(len(texts), bool)
    for indices in sorted_batches(texts.lengths, TEACHER_BATCH):
        mask = texts.batch(indices).attention_mask
        states = kept.lesson(indices, mask.shape[1], every).hidden[-1]  # a layer map ends with the last layer
        found[indices] = part(states, mask, domains[indices])
    return found
