"""A prompted model learns in a fixed number of steps, and patterns are an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import make_sentences

from penjing.compress.data import Split
from penjing.compress.few_shot.contrastive import DEFAULT_PATTERN, contrastive_prompts
from penjing.compress.few_shot.patterns import read_pattern
from penjing.compress.few_shot.pet import pattern_exploiting
from penjing.compress.few_shot.prompting import Prompting, Reader, ensemble_logits, read_all, train_prompted
from penjing.compress.few_shot.prompts import add_prompts, prompt_texts
from penjing.compress.masked_lm import OpenedLm, open_masked_lm
from penjing.pipeline.few_shot_section import FewShot

LABELLED = Split(*map(tuple, make_sentences(24, 1)))
PATTERNS = ("{text} the film was {mask}", "{mask} : {text}")
SHORT = FewShot(steps=3, learning_rate=3e-3)


def by_words(opened: OpenedLm) -> Prompting:
    return pattern_exploiting(opened.tokenizer, ("negative", "positive"), {"negative": "bad", "positive": "good"})


def logits(encoder: Path, patterns: Sequence[str], folder: Path) -> NDArray[np.float32]:
    return ensemble_logits(
        str(encoder), patterns, by_words, SHORT, LABELLED, ["good plot", "a", "bad"],
        max_length=16, seed=1, checkpoints=folder,
    )  # fmt: skip


def test_an_ensemble_is_the_mean_of_its_patterns(tiny_encoder: Path, tmp_path: Path) -> None:
    one, other = (logits(tiny_encoder, [pattern], tmp_path / pattern[1:5]) for pattern in PATTERNS)
    assert not np.allclose(one, other, atol=1e-2)
    assert np.allclose(logits(tiny_encoder, PATTERNS, tmp_path / "both"), (one + other) / 2, atol=1e-5)


@pytest.mark.parametrize("words", [True, False], ids=["pet", "contrastive"])
def test_training_lowers_the_loss_and_leaves_the_bias(words: bool, tiny_encoder: Path, tmp_path: Path) -> None:
    opened, pattern = open_masked_lm(str(tiny_encoder)), read_pattern(PATTERNS[0] if words else DEFAULT_PATTERN)
    texts, labels = prompt_texts(opened, pattern, LABELLED.texts, 16), torch.tensor(LABELLED.labels)
    add_prompts(opened.model, pattern.prompts)
    reader = Reader(opened.model, by_words(opened) if words else contrastive_prompts(2))
    before = reader.prompting.loss(read_all(reader, texts), labels)
    start = {name: value.clone() for name, value in reader.state_dict().items()}
    train_prompted(reader, FewShot(steps=150, learning_rate=3e-3), texts, labels, 1, tmp_path)
    assert reader.prompting.loss(read_all(reader, texts), labels) < before / 2
    moved = {name for name, value in reader.state_dict().items() if not torch.equal(value, start[name])}
    assert not any(name.endswith("predictions.bias") for name in moved)
    table = reader.model.bert.embeddings.word_embeddings.weight
    assert words or (table[-2:] != start["model.bert.embeddings.word_embeddings.weight"][-2:]).all()
