"""Each task: what its cells become, its losses in closed form, its targets, and cells that it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import write_encoder
from torch.nn import functional as F

from penjing.compress.tasks import KINDS, TASKS, make_goal, many_labels, one_label, regression, task_named, token_labels
from penjing.compress.tasks.out_of_scope import with_rejection
from penjing.compress.tasks.task import Task
from penjing.compress.tokens import TokenizedTexts, tokenize
from penjing.runtime.answers import REJECTED, SOFTMAX, Postprocess
from penjing.runtime.errors import DataError, RecipeError
from penjing.runtime.metrics import METRICS
from penjing.runtime.tokenizer import TextTokenizer

LABELS = ("bad", "good", "1")
NONE = TokenizedTexts(np.zeros(0, np.int32), np.zeros(1, np.int64), 0)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


def refusal(task: Task, text: object, label: object, labels: tuple[str, ...] = LABELS) -> str:
    with pytest.raises(ValueError) as caught:
        task.read(text, label, labels, ",")
    return str(caught.value)


def test_every_task_is_found_by_its_word_and_its_metrics_are_known() -> None:
    assert [task_named(kind) for kind in KINDS] == list(TASKS)
    assert all(metric in METRICS for task in TASKS for metric in task.metrics)
    with pytest.raises(RecipeError, match=r"no task 'summary': choose of text-classification, "):
        task_named("summary")


def test_a_label_is_its_name_or_its_number_and_its_name_comes_first() -> None:
    assert [one_label.TASK.read("x", cell, LABELS, ",")[1] for cell in ("good", "0", 2, "1")] == [1, 0, 2, 2]
    assert refusal(one_label.TASK, "x", "ugly") == "the label 'ugly' in row {row}; task.labels has bad, good, 1"


def test_many_labels_are_names_between_separators_or_a_list_or_none() -> None:
    read = many_labels.TASK.read
    cells = ("good, bad", "", None, ["good", 0], "good,good")
    assert [read("x", cell, LABELS, ",")[1] for cell in cells] == [(0, 1), (), (), (0, 1), (1,)]
    assert read("x", "bad|good", LABELS, "|")[1] == (0, 1)
    assert "the label 'ugly'" in refusal(many_labels.TASK, "x", "good,ugly")


@pytest.mark.parametrize("cell", ["", "many", None, "nan", "inf"])
def test_what_is_no_number_is_refused(cell: object) -> None:
    assert "which is no number: give one number a row" in refusal(regression.TASK, "x", cell)


def test_words_and_tags_become_text_and_spans() -> None:
    read = token_labels.TASK.read
    expected = ("play new order", ((5, 14, "artist"),))
    assert read("play new order", "O B-artist I-artist", ("artist",), ",") == expected
    assert read(["play", "new", "order"], ["O", "B-artist", "I-artist"], ("artist",), ",") == expected


@pytest.mark.parametrize(
    ("text", "tags", "words"),
    [
        ("play it", "O", "fewer tags than words in row {row}"),
        ("play it", "O O B-artist", "more tags than words (3, 2) in row {row}"),
        ("play it", "O S-artist", "of the scheme BIOES: rewrite the tags in the scheme BIO"),
        ("play it", "O U-artist", "of the scheme BILOU"),
        ("play it", "O artist", "of no scheme that is known: write O, B-label and I-label"),
        ("play it", "O B-song", "the tag 'B-song' in row {row}; task.labels has artist"),
    ],
)
def test_tags_that_do_not_fit_are_refused(text: str, tags: str, words: str) -> None:
    assert words in refusal(token_labels.TASK, text, tags, ("artist",))


@pytest.mark.parametrize(
    ("task", "golds", "words"),
    [
        (one_label.TASK, [1, 1], "holds one class only ('good')"),
        (many_labels.TASK, [(0,), (0,)], "gives every text the same labels"),
        (regression.TASK, [2.5, 2.5], "holds one value only (2.5)"),
        (token_labels.TASK, [(), ()], "holds no span"),
    ],
)
def test_training_text_that_teaches_nothing_is_refused(task: Task, golds: list[object], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        task.check(golds, LABELS)


def test_the_soft_loss_of_many_labels_is_the_kl_divergence_of_their_coins() -> None:
    student, teacher = torch.zeros(1, 2), torch.tensor([[math.log(3.0), 0.0]])
    coin = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert many_labels.TASK.soft_loss(student, teacher, 1.0).item() == pytest.approx(coin / 2, rel=1e-5)
    assert many_labels.TASK.soft_loss(student, 2 * teacher, 2.0).item() == pytest.approx(4 * coin / 2, rel=1e-5)


def test_the_hard_losses_are_those_of_their_names() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    assert one_label.TASK.hard_loss(logits, torch.tensor([1, 0])).item() == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2
    )
    wanted = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    coins = (math.log(2) + math.log(4 / 3) + 2 * math.log(2)) / 4
    assert many_labels.TASK.hard_loss(logits, wanted).item() == pytest.approx(coins)
    assert regression.TASK.hard_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]])).item() == 2.5
    assert regression.TASK.soft_loss(torch.tensor([[2.0]]), torch.tensor([[-1.0]]), 9.0).item() == 9.0


def test_a_number_is_learnt_without_its_units_and_the_device_puts_them_back() -> None:
    golds = [10.0, 20.0, 60.0]
    goal = make_goal(regression.TASK, (), golds)
    targets = regression.TASK.targets(golds, goal, NONE)
    assert (targets.mean(), targets.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1))
    assert goal.after.tolerance == pytest.approx(1.0)  # 2% of 50
    assert goal.decisions(list(targets), NONE) == pytest.approx(golds, rel=1e-5)
    assert (goal.outputs, goal.metric) == (("value",), "spearman")


def test_targets_of_many_labels_are_ones_at_their_numbers() -> None:
    goal = make_goal(many_labels.TASK, LABELS, [])
    assert many_labels.TASK.targets([(0, 2), ()], goal, NONE).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert goal.after == Postprocess("sigmoid", threshold=0.5)


def test_targets_of_words_are_for_the_words_that_the_device_finds(encoder: Path) -> None:
    text = "very good, film"
    texts = tokenize([text, "a plot"], encoder, 24, words=True)
    goal = make_goal(token_labels.TASK, ("mood", "thing"), [])
    golds = [((0, 10, "mood"), (11, 15, "thing")), ()]
    targets = [goal.outputs[i] for i in token_labels.TASK.targets(golds, goal, texts)]
    assert targets == ["B-mood", "I-mood", "I-mood", "B-thing", "O", "O"]
    device = TextTokenizer(encoder, 24).encode([text], words=True)
    assert device.words[0] == texts.words_of(0)
    assert [text[start:end] for _, start, end in texts.words_of(0)] == ["very", "good", ",", "film"]


def test_the_logits_of_a_batch_are_those_of_the_first_piece_of_each_word(encoder: Path) -> None:
    texts = tokenize(["a zebra plot", "film"], encoder, 24, words=True)  # zebra is five pieces
    batch = texts.batch([1, 0])
    logits = torch.arange(batch.input_ids.numel()).reshape(*batch.input_ids.shape, 1).float()
    width = batch.input_ids.shape[1]
    assert batch.rows_of(logits).flatten().tolist() == [1, width + 1, width + 2, width + 7]
    assert texts.rows([1, 0]).tolist() == [3, 0, 1, 2]


def test_a_word_whose_first_piece_is_cut_off_is_no_word(encoder: Path) -> None:
    texts = tokenize(["good film plot"], encoder, 4, words=True)
    assert texts.words_of(0) == ((1, 0, 4), (2, 5, 9))


def test_pairs_have_types_and_both_tokenizers_agree(encoder: Path) -> None:
    texts = tokenize(["good film", "bad"], encoder, 24, ["a plot", "very dull"])
    batch = texts.batch([0, 1])
    device = TextTokenizer(encoder, 24).encode(["good film", "bad"], ["a plot", "very dull"])
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0]]
    own = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    assert [tensor.tolist() for tensor in own] == [array.tolist() for array in device.inputs.values()]


def test_what_is_too_long_is_cut_off_the_longer_of_a_pair(encoder: Path) -> None:
    device = TextTokenizer(encoder, 8).encode(["good film", "film"], ["very " * 20, "plot"])
    assert device.token_type_ids[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert device.truncated == (True, False)


def test_a_threshold_turns_away_no_more_than_the_asked_share_of_texts_in_scope() -> None:
    source = np.random.default_rng(0)
    goal = make_goal(one_label.TASK, LABELS, [0, 1])
    rates = []
    for _ in range(20):
        logits = source.normal(size=(2, 400, 3)) * 2
        chosen = with_rejection(goal, list(logits[0]), 0.1)
        rates.append(np.mean([d == REJECTED for d in chosen.decisions(list(logits[1]), NONE)]))
    assert chosen.after.function == "softmax-reject" and goal.after == SOFTMAX
    assert 0.07 < np.mean(rates) <= 0.11
    low, high = chosen.after.calibration["low"], chosen.after.calibration["high"]
    assert low < 0.1 < high and np.mean([low <= rate <= high for rate in rates]) > 0.7
    with pytest.raises(DataError, match="give more rows"):
        with_rejection(goal, [[0.0, 1.0, 2.0]] * 3, 0.1)


def test_the_one_label_losses_are_what_they_were() -> None:
    student, teacher = torch.randn(4, 3), torch.randn(4, 3)
    own = one_label.TASK.soft_loss(student, teacher, 2.0)
    theirs = 4 * F.kl_div((student / 2).log_softmax(-1), (teacher / 2).softmax(-1), reduction="batchmean")
    assert torch.allclose(own, theirs, atol=1e-6)
