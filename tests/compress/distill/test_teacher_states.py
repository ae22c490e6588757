"""What is caught of a teacher on the way to its logits."""

from __future__ import annotations

import pytest
import torch
from school import School
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from penjing.compress.distill.losses import masked_softmax
from penjing.compress.distill.student import copy_teacher
from penjing.compress.distill.teacher_states import attention_of, teacher_states
from penjing.runtime.errors import TrainingError


def test_the_softmax_of_the_scores_is_the_attention_that_the_teacher_gives_out(school: School) -> None:
    batch = school.lessons.texts.batch([3, 4, 5])
    with torch.no_grad():
        states = teacher_states(school.teacher, batch, (0, 1), scores=True, relations=True)
    real = batch.attention_mask.bool()[:, None, :, None]
    for scores, weights in zip(states.scores, states.attention, strict=True):
        assert ((masked_softmax(scores, batch.attention_mask) - weights) * real).abs().max() < 1e-5
    query, _, value = states.relations
    assert query.shape == value.shape == (*batch.input_ids.shape, 32)


def test_the_same_is_caught_of_our_own_form_of_the_teacher(school: School) -> None:
    batch = school.lessons.texts.batch([3, 4, 5])
    own, _ = copy_teacher(school.teacher)
    with torch.no_grad():
        theirs = teacher_states(school.teacher, batch, (1,), scores=True, relations=True)
        ours = teacher_states(own, batch, (1,), scores=True, relations=True)
    assert torch.allclose(ours.scores[0], theirs.scores[0], atol=1e-4)
    assert torch.allclose(ours.relations[2], theirs.relations[2], atol=1e-5)
    assert torch.allclose(ours.hidden[0], theirs.hidden[0], atol=1e-4)
    assert torch.allclose(ours.logits, theirs.logits, atol=1e-4)


def test_a_teacher_that_is_not_built_as_bert_is_refused_in_a_line() -> None:
    config = DistilBertConfig(vocab_size=30, dim=8, hidden_dim=8, n_layers=1, n_heads=2, max_position_embeddings=8)
    with pytest.raises(TrainingError, match="distilbert model, whose queries"):
        attention_of(DistilBertForSequenceClassification(config), 0)
