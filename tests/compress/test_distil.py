"""From an untrained encoder to a distilled student, on a task small enough for a test."""

from __future__ import annotations

import json
import os
import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from school import EVERYTHING, SHAPE, School

from penjing.compress.distill.alignment import Alignment, read_alignment
from penjing.compress.distill.lessons import validate
from penjing.compress.distill.method import run_phases
from penjing.compress.distill.methods.mobilebert import AUXILIARY
from penjing.compress.distill.student import copy_teacher, distil_student, start_batches, start_student, student_config
from penjing.compress.distill.teacher_cache import TeacherOutputs, read_teacher_outputs, write_teacher_outputs
from penjing.compress.models.checkpoint import load_student
from penjing.compress.models.closed_form import basis, layer_map, regress, whiten
from penjing.compress.models.from_teacher import start_from_teacher
from penjing.compress.models.mobilebert import MobileBertClassifier
from penjing.compress.teacher import load_encoder
from penjing.compress.tokens import TokenizedTexts, tokenize
from penjing.pipeline.sections import Distill
from penjing.pipeline.student_sections import Student
from penjing.runtime.errors import TrainingError

SETTINGS = Distill(transfer_epochs=1, epochs=2, batch_size=16, transfer_learning_rate=2e-3, learning_rate=2e-3)


def outputs_of(school: School) -> tuple[TokenizedTexts, TeacherOutputs]:
    return school.lessons.texts, school.lessons.outputs


def test_the_teacher_learns_and_its_best_epoch_is_kept(school: School) -> None:
    best = max(point.metric for point in school.curve)
    assert best > 0.9
    right = 0
    for i, label in enumerate(school.lessons.validation_labels):
        batch = school.lessons.validation.batch([i])
        right += int(school.teacher(batch.input_ids, batch.attention_mask).logits.argmax().item() == label)
    assert abs(right / len(school.lessons.validation_labels) - best) < 0.03


def test_cached_outputs_equal_the_teachers_own(school: School) -> None:
    texts, outputs = outputs_of(school)
    batch = texts.batch([5, 9, 200])
    lesson = outputs.lesson([5, 9, 200], batch.input_ids.shape[1], school.lessons.aligned)
    with torch.no_grad():
        out = school.teacher(batch.input_ids, batch.attention_mask, output_hidden_states=True, output_attentions=True)
    real = batch.attention_mask.bool()
    assert (out.logits - lesson.logits).abs().max() < 0.1  # bf16 where the CPU has it
    assert (out.hidden_states[2] - lesson.hidden[1])[real].abs().max() < 0.1
    assert (out.hidden_states[0] - lesson.embeddings[0])[real].abs().max() < 0.1
    pairs = real[:, None, :, None] & real[:, None, None, :]
    assert ((out.attentions[0] - lesson.attention[0]) * pairs).abs().max() < 0.02


def test_the_teacher_answers_without_dropout_though_it_was_left_training(school: School, tmp_path: Path) -> None:
    teacher = deepcopy(school.teacher)
    for module in teacher.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    teacher.train()
    write_teacher_outputs(teacher, school.lessons.texts, tmp_path, layers=(0, 1), needs=EVERYTHING)
    found, kept = read_teacher_outputs(tmp_path, school.lessons.texts), school.lessons.outputs
    assert np.array_equal(found.logits, kept.logits)
    assert found.hidden is not None and kept.hidden is not None
    assert np.array_equal(found.hidden, kept.hidden)


def test_a_teacher_that_does_not_say_what_it_is_is_refused_in_one_line(tiny_encoder: Path, tmp_path: Path) -> None:
    """As TinyBERT's checkpoints were published."""
    folder = tmp_path / "nameless"
    shutil.copytree(tiny_encoder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(TrainingError, match="model_type") as refused:
        load_encoder(str(folder), ("a", "b"), 16)
    assert "\n" not in str(refused.value)


def test_a_text_with_other_tokens_than_the_teachers_teaches_its_logits_alone(school: School) -> None:
    outputs, aligned = school.lessons.outputs, school.lessons.aligned.copy()
    aligned[9] = False
    lesson = outputs.lesson([5, 9], 30, aligned)  # longer than the teacher's own tokens, as with a cut vocabulary
    assert lesson.hidden[0].shape == (2, 30, 32)
    assert lesson.hidden[0][0].abs().max() > 0
    assert lesson.hidden[0][1].abs().max() == lesson.attention[0][1].abs().max() == 0
    assert torch.equal(lesson.logits, torch.from_numpy(outputs.logits[[5, 9]]))


def test_the_cache_takes_the_bytes_that_the_docs_say(school: School) -> None:
    texts, outputs = outputs_of(school)
    assert outputs.hidden is not None
    assert outputs.attention is not None
    assert outputs.hidden.nbytes == 2 * 2 * 32 * texts.lengths.sum()
    assert outputs.attention.nbytes == 2 * 2 * 4 * (texts.lengths**2).sum()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve a file's bytes")
def test_the_caches_bytes_are_reserved_before_they_are_filled(school: School, tmp_path: Path) -> None:
    def second(*_: object) -> None:
        seen.append(1)
        if len(seen) == 2:
            raise InterruptedError

    teacher, seen = deepcopy(school.teacher), list[int]()
    teacher.register_forward_pre_hook(second)
    with pytest.raises(InterruptedError):
        write_teacher_outputs(teacher, school.lessons.texts, tmp_path, layers=(0, 1), needs=EVERYTHING)
    files = [(tmp_path / f"{name}.npy").stat() for name in ("hidden", "attention", "relations", "embeddings")]
    assert all(file.st_blocks * 512 >= file.st_size for file in files)


def test_a_student_that_starts_from_its_teacher_is_ahead_before_training(school: School) -> None:
    config = student_config(SHAPE, school.teacher.config, school.lessons.texts.pad_id)
    torch.manual_seed(0)
    noise = MobileBertClassifier(config, 2).eval()
    student = MobileBertClassifier(config, 2).eval()
    start_from_teacher(student, school.teacher, start_batches(school.lessons.texts, 0))
    with torch.no_grad():
        assert validate(student, school.lessons) > max(0.8, validate(noise, school.lessons))


def test_a_narrower_and_shallower_student_starts_from_its_teacher_too(school: School) -> None:
    shape = Student(
        layers=1, hidden_size=24, bottleneck_size=12, embedding_size=12, heads=2, intermediate_size=12, feed_forwards=3
    )
    config = student_config(shape, school.teacher.config, 0)
    student = MobileBertClassifier(config, 2).eval()
    project = start_from_teacher(student, school.teacher, start_batches(school.lessons.texts, 0))
    assert project.shape == (32, 24)
    assert torch.allclose(project.T @ project, torch.eye(24), atol=1e-4)
    with torch.no_grad():
        assert validate(student, school.lessons) > 0.7


def test_the_distilled_student_decides_nearly_like_its_teacher(school: School, tmp_path: Path) -> None:
    student, alignment = start_student(SHAPE, school.teacher, school.lessons, 1)
    curves = distil_student(
        student, alignment, school.lessons, SETTINGS, AUXILIARY,
        seed=1, folder=tmp_path / "s", checkpoints=tmp_path / "c",
    )  # fmt: skip
    assert len(curves.transfer) == 1
    assert max(point.metric for point in curves.task) > 0.9
    student = load_student(tmp_path / "s")
    with torch.no_grad():
        assert validate(student, school.lessons) > 0.9
    assert student.mobilebert.embeddings.word_embeddings.weight[0].abs().max() == 0


def test_distilling_twice_gives_the_same_weights(school: School, tmp_path: Path) -> None:
    once = SETTINGS.model_copy(update={"epochs": 1, "transfer_epochs": 0})
    for name in ("a", "b"):
        student, alignment = start_student(SHAPE, school.teacher, school.lessons, 1)
        distil_student(
            student, alignment, school.lessons, once, AUXILIARY,
            seed=1, folder=tmp_path / name, checkpoints=tmp_path / f"c{name}",
        )  # fmt: skip
    a, b = (tmp_path / name / "model.safetensors" for name in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()


def test_a_copied_teacher_decides_like_it_and_has_nothing_to_learn_from_it(school: School, tmp_path: Path) -> None:
    student, whole = copy_teacher(school.teacher)
    curves = distil_student(
        student, whole, school.lessons, None, AUXILIARY, seed=1, folder=tmp_path, checkpoints=tmp_path / "none"
    )
    best = max(point.metric for point in school.curve)
    assert curves.start == pytest.approx(best)
    alignment = read_alignment(tmp_path)
    assert (alignment.hidden, alignment.attention, alignment.heads) == ((0, 1), (0, 1), (None, None))
    student = load_student(tmp_path)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    still = SETTINGS.model_copy(update={"transfer_epochs": 1, "epochs": 0, "transfer_learning_rate": 1e-9})
    phases = AUXILIARY.phases(student, school.lessons, still, alignment, 1)
    (curve, _) = run_phases(student, school.lessons, phases, tmp_path / "c")
    assert curve[0].loss < 0.02  # what is left is the rounding of the kept outputs
    assert all(torch.allclose(value, before[name], atol=1e-5) for name, value in student.state_dict().items())


def test_an_alignment_follows_layers_and_heads_that_are_cut() -> None:
    whole = Alignment.whole(4, torch.eye(2))
    cut = whole.after_layers((0, 2)).after_heads(((1, 3), (0,)))
    assert cut.hidden == (1, 3)  # layer 0 also learns what layer 1 did, layer 2 what layer 3 did
    assert cut.attention == (0, 2)
    assert cut.heads == ((1, 3), (0,))
    assert cut.after_heads(((1,), (0,))).heads == ((3,), (0,))
    assert cut.after_hidden(torch.ones(2, 1)).basis.shape == (2, 1)


def test_layers_are_mapped_evenly_and_the_last_to_the_last() -> None:
    assert layer_map(6, 12) == (1, 3, 5, 7, 9, 11)
    assert layer_map(4, 6)[-1] == 5
    assert layer_map(6, 6) == (0, 1, 2, 3, 4, 5)


def test_regression_finds_the_linear_layer_that_made_the_targets() -> None:
    torch.manual_seed(0)
    inputs, layer = torch.randn(500, 6), torch.nn.Linear(6, 3)
    weight, bias = regress(inputs, layer(inputs).detach(), ridge=1e-9)
    assert torch.allclose(weight, layer.weight, atol=1e-4)
    assert torch.allclose(bias, layer.bias, atol=1e-4)


def test_whitened_states_have_unit_covariance_and_come_back() -> None:
    torch.manual_seed(0)
    states = torch.randn(2000, 5) @ torch.randn(5, 5) + 3
    white = whiten(states)
    inside = (states - white.mean) @ white.to_white
    assert torch.allclose(inside.T @ inside / len(inside), torch.eye(5), atol=1e-3)
    assert torch.allclose(inside @ white.from_white + white.mean, states, atol=1e-3)


def test_a_basis_of_the_same_size_is_the_identity() -> None:
    assert torch.equal(basis(torch.randn(50, 4), 4), torch.eye(4))


def test_tokenized_texts_are_cut_and_padded(tiny_encoder: Path) -> None:
    texts = tokenize(["good film", "the film was very very dull"], tiny_encoder, 6)
    assert texts.lengths.tolist() == [4, 6]
    batch = texts.batch([0, 1])
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]


def test_a_decoder_is_refused_as_teacher(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    GPT2Model(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=20)).save_pretrained(str(tmp_path))
    with pytest.raises(TrainingError, match=r"gpt2 model, not an encoder"):
        load_encoder(str(tmp_path), ("a", "b"), 16)


def test_a_length_beyond_the_teachers_positions_is_refused(tiny_encoder: Path) -> None:
    with pytest.raises(TrainingError, match=r"task.max_length is 64 but the teacher .* has 24 positions"):
        load_encoder(str(tiny_encoder), ("a", "b"), 64)


def test_a_teacher_that_cannot_be_had_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot load the teacher"):
        load_encoder(str(tmp_path / "nothing"), ("a", "b"), 16)
