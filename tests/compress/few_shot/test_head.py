"""A linear head on a frozen encoder answers as scikit-learn does, opened as any teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from tiny import make_sentences

from penjing.compress.data import Split
from penjing.compress.distill.teacher_cache import Needs, read_teacher_outputs, write_teacher_outputs
from penjing.compress.embedding.teacher import embed_texts, load_sentence_encoder
from penjing.compress.few_shot.head import FittedHead, fit_head, make_head_teacher, with_head
from penjing.compress.few_shot.teach import check_few_shot
from penjing.compress.models.bert import bert_from_teacher
from penjing.compress.tasks import make_goal, one_label
from penjing.compress.teacher import load_teacher, teacher_logits
from penjing.compress.tokens import TokenizedTexts, tokenize
from penjing.runtime.errors import DataError, PruningError, TrainingError


def sentences(count: int, seed: int, classes: int) -> Split:
    """Of three classes, the third has a plot."""
    texts, labels = make_sentences(count, seed)
    third = [2 if classes == 3 and "plot" in text.split() else label for text, label in zip(texts, labels, strict=True)]
    return Split(tuple(texts), tuple(third))


def made(encoder: Path, folder: Path, classes: int) -> tuple[Any, TokenizedTexts, Split]:
    data = sentences(48, 1, classes)
    goal = make_goal(one_label.TASK, tuple("abc"[:classes]), data.labels)
    (point,) = make_head_teacher(
        str(encoder), goal, data, sentences(20, 2, classes), max_length=16, seed=1, folder=folder
    )  # fmt: skip
    assert 0 <= point.metric <= 1
    return load_teacher(folder), tokenize(data.texts, folder, 16), data


@pytest.mark.parametrize("classes", [2, 3])
def test_its_logits_are_scikit_learns_decision_function(classes: int, tiny_encoder: Path, tmp_path: Path) -> None:
    teacher, tokens, data = made(tiny_encoder, tmp_path, classes)
    encoder, _ = load_sentence_encoder(str(tiny_encoder), None, 16)
    vectors = embed_texts(encoder, tokens)
    strength = fit_head(vectors, data.labels, 1).strength
    theirs = LogisticRegression(C=strength, max_iter=5000).fit(vectors, data.labels).decision_function(vectors)
    with torch.no_grad():
        ours = teacher_logits(teacher, tokens.batch(list(range(len(tokens))))).numpy()
    assert np.allclose(ours[:, 1] - ours[:, 0] if classes == 2 else ours, theirs, atol=1e-3)
    assert ours.argmax(1).tolist() == ((theirs > 0).astype(int) if classes == 2 else theirs.argmax(1)).tolist()


def test_the_encoders_pooling_is_taken(tiny_encoder: Path) -> None:
    encoder, _ = load_sentence_encoder(str(tiny_encoder), "cls", 16)
    head = FittedHead(np.eye(2, 32), np.array([0.0, 1.0]), 1.0, 0.5)
    teacher = with_head(encoder, head, ("a", "b"))
    ids = torch.tensor([[2, 5, 6, 3]])
    with torch.no_grad():
        state = encoder.encoder(ids).last_hidden_state[0, 0]
        logits = teacher(ids, torch.ones_like(ids), torch.zeros_like(ids)).logits[0]
    assert torch.allclose(logits, (state / state.norm())[:2] + torch.tensor([0.0, 1.0]), atol=1e-6)


def test_its_states_and_logits_are_kept_for_students(tiny_encoder: Path, tmp_path: Path) -> None:
    teacher, tokens, _ = made(tiny_encoder, tmp_path, 2)
    needs = Needs(hidden=True, attention="scores", relations=True)
    write_teacher_outputs(teacher, tokens, tmp_path / "outputs", layers=(0, 1), needs=needs)
    outputs = read_teacher_outputs(tmp_path / "outputs", tokens)
    with torch.no_grad():
        assert np.allclose(outputs.logits[[3]], teacher_logits(teacher, tokens.batch([3])).numpy(), atol=0.05)


def test_tools_that_read_cls_do_not_take_it_for_a_bert(tiny_encoder: Path, tmp_path: Path) -> None:
    teacher, _, _ = made(tiny_encoder, tmp_path, 2)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "penjing-pooled-bert"
    with pytest.raises(PruningError, match="the teacher is a penjing-pooled-bert model"):
        bert_from_teacher(teacher)


def test_the_chosen_strength_has_the_least_log_loss() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pure_noise = fit_head(random.normal(size=(40, 8)).astype(np.float32), labels.tolist(), 1)
    told = np.concatenate([2.0 * labels[:, None] - 1, random.normal(size=(40, 7)) * 0.01], 1).astype(np.float32)
    apart = fit_head(told, labels.tolist(), 1)
    assert pure_noise.strength < apart.strength
    assert apart.log_loss < 0.05 < 0.6 < pure_noise.log_loss


def test_a_class_with_one_text_and_a_teacher_that_is_no_bert_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 1 of the label 'positive', few-shot learning needs at least 2"):
        check_few_shot(str(tiny_encoder), Split(("a", "b", "c"), (0, 0, 1)), ("negative", "positive"), 16)
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}', encoding="utf-8")
    with pytest.raises(TrainingError, match=r"for BERT encoders, and .* is a roberta model"):
        check_few_shot(str(tmp_path), Split(("a", "b", "c", "d"), (0, 0, 1, 1)), ("negative", "positive"), 16)
    with pytest.raises(TrainingError, match=r"task.max_length is 32 but the teacher .* has 24 positions"):
        check_few_shot(str(tiny_encoder), Split(("a", "b", "c", "d"), (0, 0, 1, 1)), ("negative", "positive"), 32)
