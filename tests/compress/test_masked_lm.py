"""The masked-LM head: taken from a checkpoint, trained where there is none, saved as transformers saves it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_sentences
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, DistilBertConfig

from penjing.compress.masked_lm import (
    OpenedLm,
    guess_loss,
    mask_tokens,
    open_masked_lm,
    save_masked_lm,
    start_bias,
    train_masked_lm,
)  # fmt: skip
from penjing.compress.tokens import TokenizedTexts
from penjing.runtime.errors import TrainingError


def make_headed(encoder: Path, folder: Path) -> Path:
    """A checkpoint with random weights and its own masked-LM head, as `bert-base-uncased` is one."""
    opened = open_masked_lm(str(encoder))
    config = BertConfig.from_pretrained(str(encoder))
    torch.manual_seed(3)
    model = BertForMaskedLM(config)
    torch.nn.init.normal_(model.cls.predictions.bias)
    model.save_pretrained(str(folder))
    opened.tokenizer.save_pretrained(str(folder))
    return folder


def logits_of(opened: OpenedLm, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        everywhere = torch.ones_like(ids, dtype=torch.bool)
        return opened.model(ids, torch.ones_like(ids), torch.zeros_like(ids), everywhere)


def transformers_logits(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return AutoModelForMaskedLM.from_pretrained(str(folder)).eval()(ids).logits[0]


def test_a_checkpoints_own_head_is_found_and_gives_transformers_logits(tiny_encoder: Path, tmp_path: Path) -> None:
    folder, ids = make_headed(tiny_encoder, tmp_path), torch.tensor([[2, 5, 9, 4, 11, 3]])
    opened = open_masked_lm(str(folder))
    assert opened.has_head
    torch.testing.assert_close(logits_of(opened, ids), transformers_logits(folder, ids))


def test_an_encoder_without_a_head_is_told_from_one_that_has_it(tiny_encoder: Path) -> None:
    assert not open_masked_lm(str(tiny_encoder)).has_head


def test_a_saved_model_holds_the_word_table_once_and_opens_in_transformers(tiny_encoder: Path, tmp_path: Path) -> None:
    opened, ids = open_masked_lm(str(tiny_encoder)), torch.tensor([[2, 5, 9, 4, 11, 3]])
    save_masked_lm(opened.model, tmp_path)
    assert "cls.predictions.decoder.weight" not in opened.model.state_dict()
    torch.testing.assert_close(transformers_logits(tmp_path, ids), logits_of(opened, ids))


def test_a_trained_head_guesses_better_than_a_fresh_one_and_is_kept(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    opened = open_masked_lm(str(tiny_encoder))
    texts, _ = make_sentences(330, 0)
    curve = train_masked_lm(opened, texts, steps=30, seed=1, folder=tmp_path, checkpoints=tmp_path / "checkpoints")
    assert max(point.metric for point in curve) > 0.1  # one of 14 words at random is 0.07
    again, ids = open_masked_lm(str(tmp_path)), torch.tensor([[2, 5, 9, 4, 11, 3]])
    assert again.has_head
    torch.testing.assert_close(logits_of(again, ids), logits_of(opened, ids))


def test_a_fresh_heads_bias_starts_at_how_often_each_token_occurs(tiny_encoder: Path) -> None:
    opened = open_masked_lm(str(tiny_encoder))
    start_bias(opened.model, TokenizedTexts(np.array([5, 5, 5, 6], np.int32), np.array([0, 4]), 0))
    bias = opened.model.cls["predictions"].bias.detach()
    assert float(bias[5].exp() / bias[7].exp()) == pytest.approx(4) and float(bias.exp().mean()) == pytest.approx(1)


def test_the_loss_is_the_closed_form_of_a_head_that_only_has_its_bias(tiny_encoder: Path) -> None:
    opened = open_masked_lm(str(tiny_encoder))
    head = opened.model.cls["predictions"]
    words = opened.model.config.vocab_size
    torch.nn.init.zeros_(head.transform.LayerNorm.weight)
    torch.nn.init.zeros_(head.bias)
    wanted, ids = torch.tensor([5, 6, 7]), torch.tensor([[5, 6, 7]])
    assert float(guess_loss(logits_of(opened, ids), wanted)) == pytest.approx(math.log(words))
    with torch.no_grad():
        head.bias[6] = math.log(3.0)
    total = math.log(words + 2)
    assert float(guess_loss(logits_of(opened, ids), wanted)) == pytest.approx(total - math.log(3.0) / 3)


def test_nothing_guessed_costs_nothing() -> None:
    assert float(guess_loss(torch.zeros(0, 9), torch.zeros(0, dtype=torch.long))) == 0


def test_fifteen_percent_of_each_text_and_one_token_at_least_are_guessed() -> None:
    ids = torch.full((3, 100), 7)
    maskable = torch.zeros_like(ids, dtype=torch.bool)
    maskable[0, :] = True
    maskable[1, 10:12] = True
    _, chosen = mask_tokens(ids, maskable, 4, 50, torch.Generator().manual_seed(0))
    assert chosen.sum(1).tolist() == [15, 1, 0]
    assert not (chosen & ~maskable).any()


def test_of_the_guessed_eight_in_ten_are_masked_and_one_changed_and_nothing_else_is() -> None:
    ids = torch.full((200, 200), 7)
    shown, chosen = mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), 4, 1000, torch.Generator().manual_seed(0))
    assert (shown[~chosen] == 7).all()
    found = shown[chosen]
    assert float((found == 4).float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float((found == 7).float().mean()) == pytest.approx(0.1, abs=0.02)


def test_a_model_that_is_no_bert_is_refused_by_name(tmp_path: Path) -> None:
    DistilBertConfig().save_pretrained(str(tmp_path))
    with pytest.raises(TrainingError, match="is a distilbert model: the masked-LM head is BERT's") as error:
        open_masked_lm(str(tmp_path))
    assert "\n" not in str(error.value)


def test_too_few_texts_for_a_head_are_counted(tiny_encoder: Path, tmp_path: Path) -> None:
    opened = open_masked_lm(str(tiny_encoder))
    with pytest.raises(TrainingError, match="3 texts are too few to train a masked-LM head on"):
        train_masked_lm(opened, ["a", "b", "c"], steps=1, seed=1, folder=tmp_path, checkpoints=tmp_path)
