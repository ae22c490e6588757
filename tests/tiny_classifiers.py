"""Tiny classifiers of both architectures with weights large enough to be seen in the logits, and texts for them."""

from __future__ import annotations

import torch

from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.compress.prune.units import Encoder
from penjing.compress.tokens import Batch

WORDS = 50


def tiny_bert(labels: int = 3, layers: int = 3) -> BertClassifier:
    """4 heads and 24 neurons a layer."""
    torch.manual_seed(0)
    shape = BertShape(
        (LayerShape(4, 8, (24,)),) * layers, vocab_size=WORDS, hidden_size=32, embedding_size=32, max_positions=20
    )
    model = BertClassifier(shape, labels).eval()
    _enlarge(model)
    return model


def tiny_mobilebert(labels: int = 3) -> MobileBertClassifier:
    """3 layers of 4 heads and two feed-forwards of 24 neurons."""
    torch.manual_seed(0)
    config = MobileBertConfig.uniform(
        3, heads=4, head_size=4, feed_forwards=2, intermediate_size=24, vocab_size=WORDS, hidden_size=32,
        embedding_size=16, bottleneck_size=16, max_positions=20,
    )  # fmt: skip
    model = MobileBertClassifier(config, labels).eval()
    _enlarge(model)
    return model


def random_batches(count: int, size: int = 4, seed: int = 0) -> list[Batch]:
    """Batches of texts of 5 to 16 tokens, padded."""
    source = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(count):
        lengths = torch.randint(5, 17, (size,), generator=source)
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        ids = torch.randint(1, WORDS, mask.shape, generator=source) * mask
        batches.append(Batch(ids, mask, torch.zeros_like(ids)))
    return batches


def logits_of(model: Encoder, batches: list[Batch]) -> torch.Tensor:
    """[texts, labels]."""
    with torch.no_grad():
        return torch.cat([model(b.input_ids, b.attention_mask, b.token_type_ids) for b in batches])


def _enlarge(model: Encoder) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.25)
