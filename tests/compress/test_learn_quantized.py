"""Quantization-aware training on a tiny student that plain int8 spoils."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_classifiers import WORDS, tiny_bert, tiny_mobilebert
from torch import Tensor

from penjing.compress.distill.alignment import Alignment
from penjing.compress.distill.learn_quantized import learn_quantized, right_with_and_without
from penjing.compress.distill.lessons import Lessons, validate
from penjing.compress.distill.teacher_cache import TeacherOutputs
from penjing.compress.fake_quantization import fake_quantized
from penjing.compress.models.mobilebert import NoNorm
from penjing.compress.prune.units import Encoder, layers_of
from penjing.compress.tokens import TokenizedTexts
from penjing.compress.training import TrainingPlan
from penjing.pipeline.sections import Distill

PLAN = TrainingPlan(epochs=3, batch_size=16, learning_rate=3e-3, warmup=0.1, evaluations_per_epoch=1, seed=1)
SETTINGS = Distill()


def random_texts(count: int, seed: int) -> TokenizedTexts:
    source = np.random.default_rng(seed)
    lengths = source.integers(5, 13, count)
    ids = source.integers(1, WORDS, lengths.sum()).astype(np.int32)
    return TokenizedTexts(ids, np.cumsum([0, *lengths], dtype=np.int64), 0)


def all_logits(model: Encoder, texts: TokenizedTexts) -> Tensor:
    batch = texts.batch(range(len(texts)))
    with torch.no_grad():
        logits: Tensor = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    return logits


def lessons_of(teacher: Encoder) -> Lessons:
    """Random texts with the teacher's own decisions for labels; its logits alone are kept."""
    texts, held_out = random_texts(240, 1), random_texts(80, 2)
    decided = [all_logits(teacher, own).argmax(-1).tolist() for own in (texts, held_out)]
    outputs = TeacherOutputs(all_logits(teacher, texts).numpy(), None, None, texts.offsets, texts.offsets, 3, 4)
    return Lessons(texts, outputs, tuple(decided[0]), held_out, tuple(decided[1]), np.ones(240, bool))


def spoilt_bert() -> Encoder:
    """One number added to an input column of each product before a LayerNorm, which takes it out again."""
    model = tiny_bert()
    with torch.no_grad():
        for layer in layers_of(model):
            layer.attention.output.dense.weight[:, 0] += 100
            layer.output.dense.weight[:, 0] += 100
    return model


def test_a_student_with_outlier_weights_decides_right_in_int8_again(tmp_path: Path) -> None:
    lessons, student = lessons_of(tiny_bert()), spoilt_bert()
    assert validate(student, lessons) > 0.95
    plain = right_with_and_without(student, lessons)
    trained, curve = learn_quantized(student, lessons, SETTINGS, Alignment.whole(3, torch.eye(32)), PLAN, tmp_path)
    kept = right_with_and_without(trained, lessons)
    assert kept == max(point.metric for point in curve)
    assert kept > plain + 0.1


def test_mobilebert_learns_with_its_norms_folded_and_held_still(tmp_path: Path) -> None:
    student = tiny_mobilebert()
    for module in student.modules():
        if isinstance(module, NoNorm):
            torch.nn.init.uniform_(module.weight, 0.6, 1.4)
    lessons = lessons_of(student)
    lessons = replace(lessons, outputs=replace(lessons.outputs, hidden=np.zeros((1, 1, 1), np.float16)))  # never read
    plan = replace(PLAN, epochs=1)
    trained, curve = learn_quantized(student, lessons, SETTINGS, Alignment.whole(3, torch.eye(32)), plan, tmp_path)
    norms = [module for module in trained.modules() if isinstance(module, NoNorm)]
    assert all(bool((norm.weight == 1).all() and (norm.bias == 0).all()) for norm in norms)
    assert all(parameter.requires_grad for parameter in trained.parameters())
    assert len(curve) == 1


@pytest.mark.parametrize("spoil", [False, True])
def test_a_text_counts_only_if_both_decisions_are_right(spoil: bool) -> None:
    lessons, student = lessons_of(tiny_bert()), spoilt_bert() if spoil else tiny_bert()
    exact = all_logits(student, lessons.validation).argmax(-1)
    with fake_quantized(student):
        rounded = all_logits(student, lessons.validation).argmax(-1)
    gold = torch.tensor(lessons.validation_labels)
    expected = ((exact == gold) & (rounded == gold)).float().mean().item()
    assert abs(right_with_and_without(student, lessons) - expected) < 0.03  # padding of other batches, in the ranges
