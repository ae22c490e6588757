"""Our BERT: the same logits, states and scores as transformers' on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import write_encoder
from transformers import AutoModelForSequenceClassification, DistilBertConfig, DistilBertForSequenceClassification

from penjing.compress.models.bert import Bert, BertShape, bert_from_teacher
from penjing.compress.models.encoder import LayerShape
from penjing.compress.prune.costs import cost_of
from penjing.runtime.errors import PruningError


def shape_of(layers: int, hidden: int, heads: int, feed_forward: int) -> BertShape:
    layer = LayerShape(heads, hidden // heads, (feed_forward,))
    return BertShape((layer,) * layers, 30522, hidden, hidden, max_positions=512)


BASE, TINYBERT_4, TINYBERT_6 = shape_of(12, 768, 12, 3072), shape_of(4, 312, 12, 1200), shape_of(6, 768, 12, 3072)
SMALL, PATIENT_4 = shape_of(4, 512, 8, 2048), shape_of(4, 768, 12, 3072)


@pytest.mark.parametrize(
    ("shape", "published"),
    [
        (BASE, 109_482_240), (TINYBERT_4, 14_350_248), (TINYBERT_6, 66_955_008), (SMALL, 28_763_648),
        (shape_of(2, 128, 2, 512), 4_385_920), (shape_of(4, 256, 4, 1024), 11_170_560),  # BERT-Tiny, BERT-Mini
        (shape_of(6, 384, 12, 1536), 22_713_216), (shape_of(12, 384, 12, 1536), 33_360_000),  # MiniLM's
        (shape_of(6, 256, 8, 1024), 12_750_080),  # XtremeDistil's
    ],
)  # fmt: skip
def test_total_parameters_equal_the_published_counts(shape: BertShape, published: int) -> None:
    with torch.device("meta"):
        model = Bert(shape)
    assert sum(p.numel() for p in model.parameters()) == published


@pytest.mark.parametrize(
    ("shape", "published"), [(BASE, 22.5), (TINYBERT_6, 11.3), (PATIENT_4, 7.6), (SMALL, 3.4), (TINYBERT_4, 1.2)]
)
def test_two_operations_a_mac_are_the_published_billions(shape: BertShape, published: float) -> None:
    """At 128 tokens; the published figures are rounded, and count sums and softmaxes too."""
    assert 2 * cost_of(shape, 2, 128).macs / 1e9 == pytest.approx(published, rel=0.04)


@pytest.fixture()
def teacher(tmp_path: Path) -> torch.nn.Module:
    write_encoder(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(str(tmp_path), attn_implementation="eager")
    return model.eval()


def test_a_copied_teacher_gives_its_logits_states_and_attention_padding_included(teacher: torch.nn.Module) -> None:
    model = bert_from_teacher(teacher)
    ids = torch.randint(5, 20, (3, 10))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    with torch.no_grad():
        logits, layers = model(ids, mask, torch.zeros_like(ids), with_layers=True)
        wanted = teacher(ids, mask, output_hidden_states=True, output_attentions=True)
    real = mask.bool()
    assert torch.allclose(logits, wanted.logits, atol=1e-5)
    for own, theirs in zip(layers.hidden, wanted.hidden_states, strict=True):
        assert torch.allclose(own[real], theirs[real], atol=1e-5)
    weights = layers.scores[0][0].softmax(-1)
    assert torch.allclose(weights, wanted.attentions[0][0], atol=1e-5)


def test_the_shape_survives_json(teacher: torch.nn.Module) -> None:
    shape = bert_from_teacher(teacher).config
    assert BertShape.from_dict(shape.to_dict()) == shape


def test_a_teacher_of_another_architecture_is_refused_with_what_to_do() -> None:
    config = DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    with pytest.raises(PruningError, match=r"distilbert.*'mobilebert'"):
        bert_from_teacher(DistilBertForSequenceClassification(config))
