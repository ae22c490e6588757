"""The meta-teacher: its loss in closed form, and a tiny one that learned, is saved, and is asked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from penjing.compress.distill.meta.corruption import load_domain_part
from penjing.compress.distill.meta.expertise import expertise_weights, gold_probabilities
from penjing.compress.distill.meta.knowledge import read_meta_knowledge, write_meta_knowledge
from penjing.compress.distill.meta.prototypes import mean_of_tokens
from penjing.compress.distill.meta.teacher import meta_teacher_loss, read_instance_weights
from penjing.compress.distill.teacher_cache import Needs, write_teacher_outputs
from penjing.compress.teacher import load_teacher
from penjing.compress.tokens import tokenize


def test_the_loss_weighs_both_terms_of_each_text_by_its_own_weight() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]])
    loss = meta_teacher_loss(
        logits, torch.tensor([0, 1]), torch.zeros(2, 5), torch.tensor([4, 2]), torch.tensor([0.5, 0.8])
    )
    first, second = -math.log(0.75) + 0.5 * math.log(5), -math.log(0.25) + 0.5 * math.log(5)
    assert loss.item() == pytest.approx((0.5 * first + 0.8 * second) / 2)


def test_a_text_of_a_negative_weight_teaches_nothing() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    loss = meta_teacher_loss(
        logits, torch.tensor([0, 1]), torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([1.0, -0.5])
    )
    (gradient,) = torch.autograd.grad(loss, logits)
    assert bool(gradient[0].any()) and not bool(gradient[1].any())


def test_the_loss_works_on_a_batch_of_one() -> None:
    one = torch.tensor([0])
    loss = meta_teacher_loss(torch.zeros(1, 2), one, torch.zeros(1, 3), one, torch.ones(1))
    assert loss.item() == pytest.approx(math.log(2) + 0.5 * math.log(3))


def test_the_teacher_learns_the_task(meta_school: Any) -> None:
    assert meta_school.accuracy > 0.9


def test_it_is_saved_as_transformers_saves_models_and_its_domain_part_beside_it(meta_school: Any) -> None:
    teacher, part = load_teacher(meta_school.teacher), load_domain_part(meta_school.teacher)
    assert not teacher.training and not part.training
    assert part.embeddings.weight.shape == (3, 32)
    weights = read_instance_weights(meta_school.teacher)
    assert weights.shape == (241,) and bool((np.abs(weights) <= 1 + 1e-6).all()) and weights.std() > 0


def test_what_it_knows_is_kept_for_every_text(meta_school: Any, tmp_path: Path) -> None:
    data, teacher = meta_school.train, load_teacher(meta_school.teacher)
    texts, part = tokenize(data.texts, meta_school.teacher, 16), load_domain_part(meta_school.teacher)
    write_teacher_outputs(teacher, texts, tmp_path, layers=(1,), needs=Needs(hidden=True))
    write_meta_knowledge(meta_school.teacher, tmp_path, texts, data.labels, data.domains)
    found = read_meta_knowledge(tmp_path)
    assert found is not None and found.domain_count == 3 and found.domains.tolist() == list(data.domains)
    with torch.no_grad():
        batch = texts.batch([7])
        out = teacher(input_ids=batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True)
        inner = part.embeddings.weight[7 % 3] + mean_of_tokens(out.hidden_states[-1], batch.attention_mask)[0]
        z = torch.tanh(part.dense(inner))
    sure = gold_probabilities(out.logits, torch.tensor([data.labels[7]]))
    expertise = expertise_weights(torch.tensor(read_instance_weights(meta_school.teacher)[7:8]), sure)
    assert torch.allclose(found.z[7], z, atol=0.03)  # kept in half precision, and computed in bf16 where there is
    assert found.expertise[7].item() == pytest.approx(expertise.item(), abs=0.01)


def test_without_states_there_is_nothing_to_transfer_but_there_is_expertise(meta_school: Any, tmp_path: Path) -> None:
    data = meta_school.train
    texts = tokenize(data.texts, meta_school.teacher, 16)
    write_teacher_outputs(load_teacher(meta_school.teacher), texts, tmp_path, layers=(1,), needs=Needs())
    write_meta_knowledge(meta_school.teacher, tmp_path, texts, data.labels, data.domains)
    found = read_meta_knowledge(tmp_path)
    assert found is not None and found.z.shape == (241, 0) and found.expertise.shape == (241,)


def test_a_plain_teachers_outputs_hold_no_such_knowledge(tmp_path: Path) -> None:
    assert read_meta_knowledge(tmp_path) is None
