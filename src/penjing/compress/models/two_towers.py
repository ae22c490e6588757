"""Two towers (siamese): one MobileBERT reads each text of a pair alone, a linear head reads [u; v; |u-v|; u*v].

What the head reads of a text does not depend on the other one, so that a device may keep the vectors of one side. The
features are those of the BiLSTM's siamese form (arXiv 1903.12136, section 3.1). The way in is every pair's: one row
[CLS] a [SEP] b [SEP] with token types 0 and 1, which is taken apart here: [CLS] a [SEP] and [CLS] b [SEP], each from
position 0 on, with token type 0 and padding up to the row's length, one below the other in the batch. All shapes are
those of the row, so that exporters take it. An int8 ONNX file has one scale for the activations of both. Left out:
layers for distillation, since no teacher of pairs has a text's states without the other text, the form for devices
(`folded.py`), and a file of one tower alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .bilstm import features, sentence_spans, shifted
from .mobilebert import MobileBert, MobileBertConfig, initialize


class TwoTowerClassifier(nn.Module):
    """Ids, mask, types [batch, sequence] -> logits [batch, labels]. Padding lies on the right."""

    def __init__(self, config: MobileBertConfig, num_labels: int) -> None:
        super().__init__()
        self.config, self.num_labels = config, num_labels
        self.mobilebert = MobileBert(config)
        self.classifier = nn.Linear(4 * config.hidden_size, num_labels)
        self.apply(initialize)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        ids, mask, types = apart(input_ids, attention_mask, token_type_ids, self.config.pad_id)
        logits: Tensor = self.classifier(side_by_side(self.vectors(ids, mask, types)))
        return logits

    def vectors(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Of texts alone: the last state of [CLS], [batch, hidden]."""
        last: Tensor = self.mobilebert(input_ids, attention_mask, token_type_ids).hidden[-1]
        return last[:, 0]


def apart(ids: Tensor, mask: Tensor, types: Tensor, pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs [batch, sequence] -> their first texts, then their second ones, as tokenized alone, [2 * batch, sequence].

    Example: ids 2 7 3 8 9 3 of types 000111 -> 2 7 3 0 0 0 and 2 8 9 3 0 0.
    """
    (_, first), (start, second) = sentence_spans(mask, types, siamese=True)
    # The second text has no [CLS] in the row: the row's own takes the place of the [SEP] before it.
    behind = shifted(ids, (start - 1).clamp(min=0))
    both = torch.cat([ids, torch.cat([ids[:, :1], behind[:, 1:]], dim=1)])
    counts = torch.cat([first, second + 1])
    alone = (torch.arange(ids.shape[1], device=ids.device) < counts[:, None]).to(mask.dtype)
    return torch.where(alone > 0, both, pad_id), alone, torch.zeros_like(alone)


def side_by_side(vectors: Tensor) -> Tensor:
    """What the head reads, [batch, 4 * hidden], of the vectors of all first texts, then of all second ones."""
    u, v = vectors.reshape(2, -1, vectors.shape[1]).unbind(0)  # `chunk` would bind the exporter to one batch
    return features([u, v])
