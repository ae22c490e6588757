"""A narrower word table for MobileBERT: short codes, widened by the projection that reads three neighbours anyway.

Rows stay where they are around 0 (no mean is taken out), since the padding's row and the texts' ends must stay zero for
the trigram. Left out: BERT, whose table is cut together with its hidden states (`refit_bert.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch

from ..models.mobilebert import MobileBertClassifier, NoNorm
from ..tokens import Batch
from ..training import device_of
from .directions import state_moments
from .word_codes import word_codes, word_counts

PLACE = "mobilebert.embeddings"


@torch.no_grad()
def cut_words(model: MobileBertClassifier, batches: Sequence[Batch], size: int) -> MobileBertClassifier:
    """The model with word rows of `size`. Raises PruningError when there are no texts or states are not finite."""
    old = model.mobilebert.embeddings
    felt = state_moments(model, batches, {"the embeddings": old})["the embeddings"].metric.to(device_of(model))
    # A word's error is met three times: by itself and by both of its neighbours.
    blocks = torch.chunk(old.embedding_transformation.weight, 3, dim=1)
    scale = cast(NoNorm, old.LayerNorm).weight[:, None]
    metric = torch.stack([(scale * block).double().T @ felt @ (scale * block).double() for block in blocks]).sum(0)
    rows = old.word_embeddings.weight
    codes, back = word_codes(rows, word_counts(batches, len(rows)).to(rows.device), metric, size)
    small = MobileBertClassifier(replace(model.config, embedding_size=size), model.num_labels).eval()
    weights = dict(model.state_dict())
    weights[f"{PLACE}.word_embeddings.weight"] = codes
    weights[f"{PLACE}.embedding_transformation.weight"] = torch.cat([part @ back for part in blocks], 1)
    small.load_state_dict(weights)
    return small.to(device_of(model))
