"""Our BERT: the same logits, states and scores as transformers' on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import write_encoder
from transformers import AutoModelForSequenceClassification, DistilBertConfig, DistilBertForSequenceClassification

from penjing.compress.models.bert import BertShape, bert_from_teacher
from penjing.runtime.errors import PruningError


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
