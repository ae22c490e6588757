"""Sentence encoders: what is pooled, SimCSE on a tiny teacher, a student that starts from it and comes nearer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import WORDS, make_sentences

from penjing.compress.distill.student import start_batches, student_config
from penjing.compress.embedding.folded import FoldedSentence, sentence_form
from penjing.compress.embedding.matryoshka import turn
from penjing.compress.embedding.pooling import cls_pool, mean_pool
from penjing.compress.embedding.simcse import simcse_loss, train_simcse
from penjing.compress.embedding.student import SentenceStudent, VectorLessons, learn_vectors, start_student
from penjing.compress.embedding.teacher import (
    SentenceEncoder,
    embed_texts,
    folder_pooling,
    load_sentence_encoder,
    read_sentence_encoder,
    save_sentence_encoder,
)
from penjing.compress.models.checkpoint import load_student, save_student
from penjing.compress.models.mobilebert import MobileBertClassifier
from penjing.compress.tokens import TokenizedTexts, tokenize
from penjing.pipeline.embedding.sections import Groups, SimCse, VectorDistill
from penjing.pipeline.sections import Student
from penjing.runtime.errors import TrainingError

SHAPE = Student(
    layers=2, hidden_size=32, bottleneck_size=16, embedding_size=16, heads=4, intermediate_size=16, feed_forwards=2
)


def test_the_mean_leaves_padding_out_and_cls_is_the_first() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert mean_pool(states, mask).tolist() == [[2.0, 3.0]]
    assert cls_pool(states, mask).tolist() == [[1.0, 2.0]]


def test_the_head_of_simcse_is_thrown_away_only_where_nothing_was_labelled() -> None:
    """As published; the other way round costs points."""
    groups = Groups(file="groups.tsv", columns=("a", "b"))
    assert (SimCse().head_place, SimCse(pairs=groups).head_place) == ("training", "always")


@pytest.fixture
def teacher(tiny_encoder: Path) -> SentenceEncoder:
    return load_sentence_encoder(str(tiny_encoder), None, 24)[0]


@pytest.fixture
def texts(tiny_encoder: Path) -> TokenizedTexts:
    return tokenize(make_sentences(160, 1)[0], tiny_encoder, 24)


def test_the_vector_is_of_the_last_states_and_never_of_berts_own_pooler(
    tiny_encoder: Path, texts: TokenizedTexts
) -> None:
    from transformers import AutoModel

    whole: Any = AutoModel.from_pretrained(str(tiny_encoder)).eval()
    batch = texts.batch([0, 5, 9])
    with torch.no_grad():
        out = whole(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        first = load_sentence_encoder(str(tiny_encoder), "cls", 24)[0](batch.input_ids, batch.attention_mask)
    torch.testing.assert_close(first, out.last_hidden_state[:, 0], atol=1e-5, rtol=1e-5)
    assert (first - out.pooler_output).abs().max() > 0.1


def test_the_training_head_is_gone_when_vectors_are_taken(tiny_encoder: Path, texts: TokenizedTexts) -> None:
    batch = texts.batch([0, 5])
    plain = load_sentence_encoder(str(tiny_encoder), "cls", 24)[0]
    model = load_sentence_encoder(str(tiny_encoder), "cls", 24, "training")[0]
    kept = load_sentence_encoder(str(tiny_encoder), "cls", 24, "always")[0]
    with torch.no_grad():
        wanted = plain(batch.input_ids, batch.attention_mask)
        torch.testing.assert_close(model(batch.input_ids, batch.attention_mask), wanted)
        headed = torch.tanh(kept.dense(wanted))
        torch.testing.assert_close(kept(batch.input_ids, batch.attention_mask), headed)
        torch.testing.assert_close(model.train()(batch.input_ids, batch.attention_mask), headed)


@pytest.mark.parametrize("head", ["none", "training", "always"])
def test_a_saved_encoder_gives_the_same_vectors(
    tiny_encoder: Path, texts: TokenizedTexts, tmp_path: Path, head: str
) -> None:
    model, tokenizer = load_sentence_encoder(str(tiny_encoder), "mean", 24, head)
    save_sentence_encoder(model, tokenizer, tmp_path)
    np.testing.assert_allclose(
        embed_texts(read_sentence_encoder(tmp_path), texts), embed_texts(model, texts), atol=1e-6
    )


def write_modules(folder: Path, kinds: list[str], pooling: dict[str, Any]) -> None:
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"{i}_{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")


def test_the_pooling_is_read_as_sentence_transformers_saved_it(tmp_path: Path) -> None:
    assert folder_pooling(tmp_path) is None
    config = {"word_embedding_dimension": 8, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    write_modules(tmp_path, ["Transformer", "Pooling", "Normalize"], config)
    assert folder_pooling(tmp_path) == "cls"
    other = {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"pools by max_tokens: set teacher\.pooling to mean or cls"):
        folder_pooling(tmp_path)


def test_a_dense_layer_behind_the_pooling_is_refused(tmp_path: Path) -> None:
    write_modules(tmp_path, ["Transformer", "Pooling", "Dense"], {"pooling_mode_mean_tokens": True})
    with pytest.raises(TrainingError, match="asks for Dense after the encoder"):
        folder_pooling(tmp_path)


def paraphrases(count: int) -> list[tuple[str, str]]:
    """A sentence, and the same in other words: each word has one that stands for it."""
    pairs = list(zip(WORDS[::2], WORDS[1::2], strict=True))
    other = dict(pairs) | {second: first for first, second in pairs}
    sentences = make_sentences(count, 7)[0]
    return [(text, " ".join(other[word] for word in text.split())) for text in dict.fromkeys(sentences)]


def found_again(model: SentenceEncoder, groups: list[tuple[str, str]], folder: Path) -> float:
    """How often a sentence's own paraphrase is the nearest of all."""
    first, second = (embed_texts(model, tokenize(column, folder, 24)) for column in zip(*groups, strict=True))
    return float((np.argmax(first @ second.T, axis=1) == np.arange(len(groups))).mean())


def test_supervised_simcse_finds_paraphrases_that_it_has_not_seen(tiny_encoder: Path, tmp_path: Path) -> None:
    model = load_sentence_encoder(str(tiny_encoder), "cls", 24, "none")[0]
    groups = paraphrases(300)
    train, held_out = groups[:-60], groups[-60:]
    before = found_again(model, held_out, tiny_encoder)
    settings = SimCse(epochs=3, batch_size=16, learning_rate=2e-3, evaluations_per_epoch=1)
    curve = train_simcse(
        model, train, tiny_encoder, settings, lambda: found_again(model, held_out, tiny_encoder), seed=1,
        checkpoints=tmp_path,
    )  # fmt: skip
    assert found_again(model, held_out, tiny_encoder) == max(before, *(point.metric for point in curve))
    assert found_again(model, held_out, tiny_encoder) > before + 0.1


def test_unsupervised_views_are_the_same_text_under_another_dropout(tiny_encoder: Path, texts: TokenizedTexts) -> None:
    model = load_sentence_encoder(str(tiny_encoder), "mean", 24)[0]
    seen: list[torch.Tensor] = []
    model.register_forward_hook(lambda _m, _i, vectors: seen.append(vectors))
    step_loss = simcse_loss(texts, len(texts), 1, SimCse())
    step_loss(model, [0, 1, 2])
    torch.testing.assert_close(seen[0][:3], seen[0][3:])
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    step_loss(model.train(), [0, 1, 2])
    assert (seen[1][:3] - seen[1][3:]).abs().max() > 1e-3


def test_negatives_are_the_third_column_of_the_same_rows(tiny_encoder: Path) -> None:
    rows = [("good film", "a good film", "bad film"), ("dull plot", "very dull plot", "great plot")]
    columns = list(zip(*rows, strict=True))
    texts = tokenize([text for column in columns for text in column], tiny_encoder, 24)
    model = load_sentence_encoder(str(tiny_encoder), "mean", 24)[0]
    seen: list[Any] = []
    model.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    simcse_loss(texts, 2, 3, SimCse())(model, [1, 0])
    wanted = texts.batch([1, 0, 3, 2, 5, 4]).input_ids
    assert torch.equal(seen[0], wanted)


def lessons_of(teacher: SentenceEncoder, texts: TokenizedTexts, cuts: tuple[int, ...] = ()) -> VectorLessons:
    vectors = embed_texts(teacher, texts)
    return VectorLessons(texts, vectors, turn(vectors, 32, cuts), cuts)


def closeness(student: SentenceStudent, lessons: VectorLessons) -> float:
    """Mean cosine of the student's vectors and their targets."""
    return float((embed_texts(student, lessons.texts) * (lessons.teacher @ lessons.turn)).sum(1).mean())


def start(teacher: SentenceEncoder, lessons: VectorLessons, shape: Student = SHAPE) -> SentenceStudent:
    torch.manual_seed(0)
    config = student_config(shape, teacher.encoder.config, lessons.texts.pad_id)
    return start_student(config, teacher, lessons.turn, start_batches(lessons.texts, 1))


def test_a_student_starts_near_its_teacher_and_comes_nearer(
    teacher: SentenceEncoder, texts: TokenizedTexts, tmp_path: Path
) -> None:
    lessons = lessons_of(teacher, texts, cuts=(8,))
    student = start(teacher, lessons, SHAPE.model_copy(update={"layers": 1, "embedding_size": 6}))
    random = SentenceStudent(MobileBertClassifier(student.inner.config, 32)).eval()
    begun = closeness(student, lessons)
    assert begun > closeness(random, lessons) + 0.3
    settings = VectorDistill(epochs=4, batch_size=16, learning_rate=1e-3, evaluations_per_epoch=1)
    curve = learn_vectors(student, lessons, settings, lambda: closeness(student, lessons), seed=1, checkpoints=tmp_path)
    assert curve[-1].loss < curve[0].loss
    assert closeness(student, lessons) > begun
    save_student(student.inner, tmp_path / "student")
    again = SentenceStudent(load_student(tmp_path / "student"))
    np.testing.assert_allclose(embed_texts(again, texts), embed_texts(student, texts), atol=1e-6)


def test_the_form_for_devices_gives_the_same_vectors_padded_or_not(
    teacher: SentenceEncoder, texts: TokenizedTexts
) -> None:
    student = start(teacher, lessons_of(teacher, texts))
    form = sentence_form(student, 24)
    assert isinstance(form, FoldedSentence)
    batch = texts.batch(list(range(12)))
    with torch.no_grad():
        wanted = student(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        found = form(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        alone = texts.batch([0])
        one = form(alone.input_ids, alone.attention_mask, alone.token_type_ids)
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(one[0], wanted[0], atol=2e-4, rtol=1e-3)


def test_a_student_of_layer_norms_is_exported_as_it_is(teacher: SentenceEncoder, texts: TokenizedTexts) -> None:
    config = student_config(SHAPE.model_copy(update={"norm": "layer_norm"}), teacher.encoder.config, texts.pad_id)
    student = SentenceStudent(MobileBertClassifier(config, 8))
    assert sentence_form(student, 24) is student
