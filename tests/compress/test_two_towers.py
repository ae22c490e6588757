"""The two towers: each text as if alone, the features of the head, and the closed-form start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from school import SHAPE
from tiny import make_sentences, write_encoder
from torch import Tensor

from penjing.compress.distill.lessons import Lessons
from penjing.compress.distill.student import start_two_towers
from penjing.compress.distill.teacher_cache import Needs, read_teacher_outputs, write_teacher_outputs
from penjing.compress.models.checkpoint import load_student, save_student
from penjing.compress.models.folded import FoldedTwoTowers, inference_form
from penjing.compress.models.mobilebert import MobileBertConfig
from penjing.compress.models.two_towers import TwoTowerClassifier, apart
from penjing.compress.teacher import load_encoder
from penjing.compress.tokens import tokenize

WORDS, LABELS, LONGEST = 60, 3, 12
CLS, SEP = 2, 3


def make_model(**changes: object) -> TwoTowerClassifier:
    """Every weight matters, norms included."""
    torch.manual_seed(5)
    shape = {"heads": 2, "head_size": 8, "feed_forwards": 2, "intermediate_size": 12} | changes
    config = MobileBertConfig.uniform(
        2, hidden_size=24, embedding_size=12, bottleneck_size=16, vocab_size=WORDS, max_positions=LONGEST, **shape
    )
    model = TwoTowerClassifier(config, LABELS).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.uniform_(0.6, 1.4) if "LayerNorm.weight" in name else weight.normal_(0, 0.15)
        model.mobilebert.embeddings.word_embeddings.weight[0].zero_()
    return model


@pytest.fixture(scope="module")
def model() -> TwoTowerClassifier:
    return make_model()


def one_row(first: list[int], second: list[int], length: int) -> tuple[Tensor, Tensor, Tensor]:
    """[CLS] a [SEP] b [SEP] and padding, [1, length]."""
    ids = [CLS, *first, SEP, *second, SEP]
    types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    rest = [0] * (length - len(ids))
    return (torch.tensor([ids + rest]), torch.tensor([[1] * len(ids) + rest]), torch.tensor([types + rest]))


def vector_alone(model: TwoTowerClassifier, words: list[int]) -> Tensor:
    """Of [CLS] words [SEP] in a row of its own length."""
    ids = torch.tensor([[CLS, *words, SEP]])
    return model.vectors(ids, torch.ones_like(ids), torch.zeros_like(ids))


PAIRS = [([7, 8, 9], [11, 12]), ([7], [8]), ([20, 21, 22, 23, 24, 25], [26]), ([9], [10, 11, 12, 13, 14, 15, 16, 17])]


def test_a_row_is_taken_apart_as_its_texts_are_tokenized_alone() -> None:
    ids, mask, types = apart(*one_row([7], [8, 9], 8), 0)
    assert ids.tolist() == [[2, 7, 3, 0, 0, 0, 0, 0], [2, 8, 9, 3, 0, 0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]] and not types.any()


def test_a_row_without_a_second_text_has_an_empty_one() -> None:
    ids, mask, _ = apart(torch.tensor([[2, 7, 3]]), torch.ones(1, 3).long(), torch.zeros(1, 3).long(), 0)
    assert (ids.tolist(), mask.tolist()) == ([[2, 7, 3], [2, 0, 0]], [[1, 1, 1], [1, 0, 0]])


@torch.no_grad()
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_each_towers_vector_is_that_of_the_text_alone(
    model: TwoTowerClassifier, first: list[int], second: list[int]
) -> None:
    u, v = model.vectors(*apart(*one_row(first, second, LONGEST), 0)).chunk(2)
    assert torch.allclose(u, vector_alone(model, first), atol=1e-5)
    assert torch.allclose(v, vector_alone(model, second), atol=1e-5)
    assert not torch.allclose(u, v, atol=1e-2)


@torch.no_grad()
def test_the_head_reads_both_vectors_their_difference_and_product(model: TwoTowerClassifier) -> None:
    u, v = vector_alone(model, [7, 8]), vector_alone(model, [9])
    read = torch.cat([u, v, (u - v).abs(), u * v], dim=1)
    expected = read @ model.classifier.weight.T + model.classifier.bias
    assert torch.allclose(model(*one_row([7, 8], [9], LONGEST)), expected, atol=1e-4)


@torch.no_grad()
def test_the_form_for_devices_gives_the_same_of_batches_of_any_lengths(model: TwoTowerClassifier) -> None:
    rows = [one_row(*pair, LONGEST) for pair in PAIRS]
    together = tuple(torch.cat(parts) for parts in zip(*rows, strict=True))
    shipped = inference_form(model, LONGEST)
    assert isinstance(shipped, FoldedTwoTowers)
    alone = torch.cat([model(*row) for row in rows])
    assert torch.allclose(model(*together), alone, atol=1e-4)
    assert torch.allclose(shipped(*together), alone, atol=1e-4)
    kept = shipped.vectors(torch.tensor([[CLS, 7, SEP]]), torch.ones(1, 3), torch.zeros(1, 3).long())
    assert torch.allclose(kept, vector_alone(model, [7]), atol=1e-4)


def test_a_student_with_layer_norms_is_its_own_form() -> None:
    model = make_model(norm="layer_norm")
    assert inference_form(model, LONGEST) is model


def test_it_is_saved_and_loaded_by_its_name(model: TwoTowerClassifier, tmp_path: Path) -> None:
    save_student(model, tmp_path)
    loaded = load_student(tmp_path)
    row = one_row([7], [9], LONGEST)
    assert isinstance(loaded, TwoTowerClassifier) and torch.equal(loaded(*row), model(*row))
    assert '"two-towers"' in (tmp_path / "student.json").read_text(encoding="utf-8")


@torch.no_grad()
def test_the_start_is_the_teachers_of_texts_alone_and_its_head_fits_what_it_says_of_pairs(tmp_path: Path) -> None:
    write_encoder(tmp_path)
    teacher, _ = load_encoder(str(tmp_path), ("0", "1"), 24)
    firsts, seconds = make_sentences(200, 1)[0], make_sentences(200, 2)[0]
    texts = tokenize(firsts, tmp_path, 24, seconds)
    write_teacher_outputs(teacher.eval(), texts, tmp_path / "outputs", layers=(), needs=Needs())
    outputs = read_teacher_outputs(tmp_path / "outputs", texts)
    lessons = Lessons(texts, outputs, (), texts, (), np.ones(len(texts), bool))
    student, alignment = start_two_towers(SHAPE, teacher, lessons, 1)
    batch = texts.batch(list(range(200)))
    said = outputs.logits_of(list(range(200)))
    rest = student(batch.input_ids, batch.attention_mask, batch.token_type_ids) - said
    assert rest.var() < 0.8 * said.var()  # better than a constant, before it has learnt
    assert not student.training and alignment.hidden == ()
