"""PET guesses the classes' words and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from penjing.compress.few_shot.patterns import read_pattern
from penjing.compress.few_shot.pet import pattern_exploiting, word_ids, word_loss
from penjing.compress.few_shot.prompts import prompt_texts
from penjing.compress.masked_lm import open_masked_lm
from penjing.runtime.errors import TrainingError

LABELS = ("negative", "positive")


def test_the_loss_is_the_cross_entropy_over_the_words_alone() -> None:
    scores, labels = torch.tensor([[1.0, 3.0], [0.5, -0.5]]), torch.tensor([1, 1])
    by_hand = np.mean(
        [-np.log(np.exp(3) / (np.exp(1) + np.exp(3))), -np.log(np.exp(-0.5) / (np.exp(0.5) + np.exp(-0.5)))]
    )
    assert float(word_loss(scores, labels)) == pytest.approx(by_hand, abs=1e-6)


def test_scores_are_the_heads_logits_of_the_words_at_the_mask(tiny_encoder: Path) -> None:
    opened = open_masked_lm(str(tiny_encoder))
    prompting = pattern_exploiting(opened.tokenizer, LABELS, {"positive": "good", "negative": "bad"})
    batch, asked = prompt_texts(opened, read_pattern("{text} was {mask}"), ["a film"], 16).batch([0])
    states = opened.model.bert(batch.input_ids, batch.attention_mask, batch.token_type_ids).last_hidden_state[0, 4]
    table = opened.model.bert.embeddings.word_embeddings.weight
    head = opened.model.cls["predictions"]
    logits = table @ head.transform(states) + head.bias
    ids = opened.tokenizer.convert_tokens_to_ids(["bad", "good"])
    read = prompting.read(opened.model, batch, asked)
    assert torch.allclose(read[0], logits[ids], atol=1e-5)
    assert prompting.score(read, read, torch.tensor([0])) is read


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"negative": "bad"}, "no word for 'positive'"),
        ({"negative": "bad", "positive": "superb"}, r"'superb' for 'positive' is s ##u ##p ##e ##r ##b to the teacher"),
        ({"negative": "bad", "positive": "好"}, r"'好' for 'positive' is \[UNK\] to the teacher"),
        ({"negative": "bad", "positive": ""}, "'' for 'positive' is nothing to the teacher"),
        ({"negative": "good", "positive": "Good"}, "'Good' for 'positive' is the same token as that of 'negative'"),
    ],
)
def test_words_that_are_no_token_of_one_class_are_named(
    words: dict[str, str], problem: str, tiny_encoder: Path
) -> None:
    with pytest.raises(TrainingError, match=problem):
        word_ids(open_masked_lm(str(tiny_encoder)).tokenizer, LABELS, words)
