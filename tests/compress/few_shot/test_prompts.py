"""A pattern holds a text and a mask, and of a long text the end is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from penjing.compress.few_shot.patterns import read_pattern
from penjing.compress.few_shot.prompts import add_prompts, prompt_texts
from penjing.compress.masked_lm import open_masked_lm
from penjing.runtime.errors import TrainingError


def test_a_pattern_is_put_around_the_text_and_the_mask_is_found(tiny_encoder: Path) -> None:
    opened = open_masked_lm(str(tiny_encoder))
    pattern = read_pattern("the film was {mask} , {prompt}{text} {prompt}")
    prompted = prompt_texts(opened, pattern, ["a good plot", "dull [MASK]"], 16)
    words = opened.model.config.vocab_size
    tokens = [opened.tokenizer.convert_ids_to_tokens(prompted.texts.ids[a:b].tolist()) for a, b in ((0, 12), (12, 23))]
    assert tokens[0][:5] == ["[CLS]", "the", "film", "was", "[MASK]"]
    assert tokens[0][7:10] == ["a", "good", "plot"]
    assert prompted.texts.ids[[6, 10]].tolist() == [words, words + 1]
    batch, asked = prompted.batch([1, 0])
    assert batch.input_ids[asked].tolist() == [opened.tokenizer.mask_token_id] * 2
    assert asked.nonzero().tolist() == [[0, 4], [1, 4]]


def test_a_mask_after_a_long_text_stays_and_the_texts_end_goes(tiny_encoder: Path) -> None:
    opened = open_masked_lm(str(tiny_encoder))
    prompted = prompt_texts(opened, read_pattern("{text} was {mask}"), ["good " * 50, "a film", ""], 16)
    assert prompted.texts.lengths.tolist() == [18, 6, 4]
    assert prompted.places.tolist() == [16, 4, 2]
    whole = prompt_texts(opened, read_pattern("{text} was {mask}"), ["good " * 50], 24)
    assert whole.texts.lengths.tolist() == [24]
    with pytest.raises(TrainingError, match="has 25 tokens and the teacher 24 positions, so no text fits"):
        prompt_texts(opened, read_pattern("{text} {mask} " + "very " * 22), ["good"], 16)


def test_learnt_vectors_start_as_the_mean_word_and_words_stay(tiny_encoder: Path) -> None:
    model = open_masked_lm(str(tiny_encoder)).model
    before = model.bert.embeddings.word_embeddings.weight.clone()
    add_prompts(model, 2)
    after = model.bert.embeddings.word_embeddings.weight
    assert torch.equal(after[:-2], before)
    assert torch.allclose(after[-2:], before.mean(0).expand(2, -1))
    assert after.requires_grad


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("{text} was good", r"has \{mask\} 0 times: write it once"),
        ("{text} {mask} {text}", r"has \{text\} 2 times"),
        ("{text} {mask} {label}", r"has '\{label\}': choose of \{text\}"),
        ("{text} {mask} {", r"has '\{': choose of"),
    ],
)
def test_a_pattern_says_what_it_lacks(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_pattern(pattern)
