"""The inverted bottleneck: MobileBERT's teacher, made of a fine-tuned encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from school import SHAPE, School

from penjing.compress.distill.lessons import validate
from penjing.compress.distill.methods.mobilebert import AUXILIARY
from penjing.compress.distill.student import distil_student, invert_teacher, start_student
from penjing.compress.distill.teacher_cache import Needs, read_teacher_outputs, write_teacher_outputs
from penjing.compress.models.mobilebert import IB_BERT_TEACHER, MobileBertClassifier
from penjing.pipeline.sections import Distill
from penjing.runtime.errors import TrainingError

SETTINGS = Distill(transfer_epochs=1, epochs=0, batch_size=16, transfer_learning_rate=1e-3)


def test_it_has_the_published_form_and_speaks_the_students_language(school: School) -> None:
    model, alignment = invert_teacher(SHAPE.model_copy(update={"hidden_size": 24}), school.teacher, school.lessons, 1)
    config = model.config
    assert isinstance(model, MobileBertClassifier)
    for name in ("attention_input", "norm", "activation"):
        assert getattr(config, name) == getattr(IB_BERT_TEACHER, name)
    assert (len(config.layers), config.hidden_size, config.bottleneck_size) == (2, 24, 32)
    assert config.layers[0].heads * config.layers[0].head_size == config.bottleneck_size
    assert alignment.basis.shape == (32, 24)


@pytest.mark.parametrize("hidden", [32, 24])
def test_it_decides_nearly_like_its_teacher_before_any_training(hidden: int, school: School) -> None:
    shape = SHAPE.model_copy(update={"hidden_size": hidden})
    model, _ = invert_teacher(shape, school.teacher, school.lessons, 1)
    with torch.no_grad():
        assert validate(model, school.lessons) > 0.9


def test_a_student_takes_its_ends_and_learns_its_states(school: School, tmp_path: Path) -> None:
    model, alignment = invert_teacher(SHAPE, school.teacher, school.lessons, 1)
    curves = distil_student(
        model, alignment, school.lessons, SETTINGS, AUXILIARY,
        seed=1, folder=tmp_path / "ib", checkpoints=tmp_path / "c",
    )  # fmt: skip
    assert curves.transfer[-1].metric > 0.9
    texts = school.lessons.texts
    write_teacher_outputs(model, texts, tmp_path / "outputs", layers=(0, 1), needs=Needs(hidden=True, relations=True))
    outputs = read_teacher_outputs(tmp_path / "outputs", texts)
    assert outputs.hidden is not None
    assert outputs.hidden.shape == (texts.offsets[-1], 2, 32)
    student, own = start_student(SHAPE, school.teacher, school.lessons, 1, model)
    assert torch.equal(student.classifier.weight, model.classifier.weight)
    table = model.mobilebert.embeddings.word_embeddings.weight
    assert torch.equal(student.mobilebert.embeddings.word_embeddings.weight, table)
    assert torch.equal(own.basis, torch.eye(32))


def test_heads_that_do_not_divide_the_teacher_are_refused_in_a_line(school: School) -> None:
    shape = SHAPE.model_copy(update={"heads": 3, "bottleneck_size": 15})
    with pytest.raises(TrainingError, match="student's 3 heads, which do not divide"):
        invert_teacher(shape, school.teacher, school.lessons, 1)
