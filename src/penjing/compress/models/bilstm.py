"""The BiLSTM student (Tang et al. 2019, arXiv 1903.12136, section 3.2): word vectors, one LSTM a direction, two layers.

Each word has a row in a table that stays as the word vectors are and one that learns ("multichannel"), side by side. A
text is the last state of each direction; two texts (siamese) go through the same LSTM, told apart by their token
types, which are 0 for the first and 1 for the second. Padding is never read: both directions end where the text does.
Left out: attention maps and layers for distillation, which an LSTM has not, the form for devices (`bilstm_shipped.py`),
reading word vectors (`word_vectors.py`), and files (`checkpoint.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from ...runtime.errors import TrainingError

CHANNELS = ("both", "trained", "static")
TABLE_START = 0.1
"""Deviation of the rows of words without a vector; that of the usual vectors is 0.1 to 0.2."""


@dataclass(frozen=True)
class BiLstmConfig:
    """Shape of the student; the defaults are those published for SST-2.

    `channels`: the tables of each word, one that learns and one that does not, or one of the two. `embedding_size` is
    that of one table, `hidden_size` that of one direction, `classifier_size` the width between the two last layers.
    """

    vocab_size: int
    embedding_size: int = 300
    channels: str = "both"
    hidden_size: int = 150
    classifier_size: int = 200
    dropout: float = 0.1
    siamese: bool = False
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise TrainingError(f"student.channels is {self.channels!r}: give one of {', '.join(CHANNELS)}")

    @property
    def input_size(self) -> int:
        """Of the LSTM: the tables side by side."""
        return self.embedding_size * (2 if self.channels == "both" else 1)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> BiLstmConfig:
        return BiLstmConfig(**raw)


class BiLstmClassifier(nn.Module):
    """Ids, mask, types [batch, sequence] -> logits [batch, labels]. Padding lies on the right."""

    def __init__(self, config: BiLstmConfig, num_labels: int) -> None:
        super().__init__()
        self.config, self.num_labels = config, num_labels
        shape = config.vocab_size, config.embedding_size
        if config.channels != "trained":
            self.static = nn.Embedding(*shape, padding_idx=config.pad_id).requires_grad_(False)
        if config.channels != "static":
            self.trained = nn.Embedding(*shape, padding_idx=config.pad_id)
        self.lstm = nn.LSTM(config.input_size, config.hidden_size, batch_first=True, bidirectional=True)
        states = 2 * config.hidden_size
        self.hidden = nn.Linear(4 * states if config.siamese else states, config.classifier_size)
        self.classifier = nn.Linear(config.classifier_size, num_labels)
        for table in self.tables():
            nn.init.normal_(table.weight, std=TABLE_START)
            table.weight.data[config.pad_id].zero_()

    def tables(self) -> list[nn.Embedding]:
        """Those that there are, in the order in which the LSTM reads them."""
        return [table for name, table in self.named_children() if isinstance(table, nn.Embedding)]

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        sentences = sentence_spans(attention_mask, token_type_ids, self.config.siamese)
        states = [self._states(shifted(input_ids, start), count) for start, count in sentences]
        x = torch.relu(self.hidden(features(states)))
        if not self.config.siamese:  # as published: the siamese form has none
            x = nn.functional.dropout(x, self.config.dropout, self.training)
        logits: Tensor = self.classifier(x)
        return logits

    def _states(self, ids: Tensor, counts: Tensor) -> Tensor:
        """The last state of both directions, [batch, 2 * hidden]; zeros for a sentence without words."""
        words = torch.cat([table(ids) for table in self.tables()], dim=-1)
        packed = pack_padded_sequence(words, counts.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        both = torch.cat([last[0], last[1]], dim=-1)
        return both * (counts > 0).to(both.dtype)[:, None]


def sentence_spans(attention_mask: Tensor, token_type_ids: Tensor, siamese: bool) -> list[tuple[Tensor, Tensor]]:
    """Start and number of tokens of each sentence, each [batch].

    Example: mask 11110, types 00110 -> (0, 2) and (2, 2) where siamese, else (0, 4).
    """
    total = attention_mask.sum(1)
    if not siamese:
        return [(torch.zeros_like(total), total)]
    second = (attention_mask * token_type_ids).sum(1)
    first = total - second
    return [(torch.zeros_like(total), first), (first, second)]


def shifted(ids: Tensor, start: Tensor) -> Tensor:
    """Ids [batch, sequence] from `start` [batch] on; what lies behind the last is the last again."""
    length = ids.shape[1]
    places = torch.arange(length, device=ids.device) + start[:, None]
    return ids.gather(1, places.clamp(max=length - 1))


def features(states: list[Tensor]) -> Tensor:
    """What the classifier reads: one sentence's states u, or [u; v; |u - v|; u * v] of two."""
    if len(states) == 1:
        return states[0]
    u, v = states
    return torch.cat([u, v, (u - v).abs(), u * v], dim=-1)


def fill_tables(model: BiLstmClassifier, vectors: Tensor, known: Tensor) -> None:
    """Sets the rows of the `known` words [vocabulary] of every table to `vectors` [vocabulary, size].

    Unknown words keep the small random start of the table that learns and are zero in the one that does not.
    """
    with torch.no_grad():
        for table in model.tables():
            rest = table.weight if table.weight.requires_grad else torch.zeros_like(table.weight)
            rows = torch.where(known[:, None], vectors.to(table.weight), rest)
            rows[model.config.pad_id] = 0
            table.weight.copy_(rows)
