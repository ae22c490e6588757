"""A sentence student's form for devices: the folded student (`../models/folded.py`) with the mean in place of [CLS].

Left out: bringing vectors to length 1, which the runtime does, and LayerNorm, for which the model itself is exported.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models.folded import FoldedStudent, is_foldable
from .pooling import mean_pool
from .student import SentenceStudent


class FoldedSentence(FoldedStudent):
    """ids, mask, types [batch, sequence] to vectors [batch, size], equal to those of the student it is made from."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        states = self.states(input_ids, attention_mask, token_type_ids)
        # The head reads a folded state; folding is affine, so a mean of folded states is a folded mean.
        vectors: Tensor = self.classifier(mean_pool(states, attention_mask))
        return vectors


def sentence_form(student: SentenceStudent, max_length: int) -> nn.Module:
    """The folded form where the norms can be folded, else the student itself; eval mode, weights copied."""
    if not is_foldable(student.inner):
        return student.eval()
    with torch.no_grad():
        return FoldedSentence(student.inner, max_length, only_first=False).eval()
