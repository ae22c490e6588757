"""A BERT classifier whose logits are linear in one vector of the text: its states pooled, of length 1.

The classifier of transformers reads [CLS] through a dense layer and a tanh, which no sentence encoder was trained for
(SimCSE's issues 25 and 100: 20 points of rank correlation), so this is a class of its own. It has a model type of its
own, too: tools that do not know it say so and do not put another head on its weights. Left out: encoders other than
BERT.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, BertModel, BertPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from ..embedding.pooling import POOLINGS


class PooledBertConfig(BertConfig):
    """BERT's, and the name of the pooling."""

    model_type = "penjing-pooled-bert"

    def __init__(self, pooling: str = "mean", **rest: Any) -> None:
        super().__init__(**rest)  # type: ignore[no-untyped-call]
        self.pooling = pooling


class PooledBertForSequenceClassification(BertPreTrainedModel):  # type: ignore[no-untyped-call]
    """ids, mask, types [batch, sequence] to logits [batch, labels]."""

    config_class = PooledBertConfig

    def __init__(self, config: PooledBertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None, **asked: Any
    ) -> SequenceClassifierOutput:
        """`asked`: output_hidden_states and output_attentions."""
        out = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, **asked)
        vector = F.normalize(POOLINGS[self.config.pooling](out.last_hidden_state, attention_mask), dim=1)
        return SequenceClassifierOutput(
            logits=self.classifier(vector), hidden_states=out.hidden_states, attentions=out.attentions
        )


def register_pooled_bert() -> None:
    """Lets the automatic classes of transformers open it."""
    AutoConfig.register(PooledBertConfig.model_type, PooledBertConfig, exist_ok=True)
    AutoModelForSequenceClassification.register(PooledBertConfig, PooledBertForSequenceClassification, exist_ok=True)
