"""A tiny BERT teacher with a real WordPiece tokenizer, made once a session."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

WORDS = ("good", "fine", "great", "lovely", "bad", "poor", "awful", "dull", "film", "plot", "the", "a", "very", "was")


def make_sentences(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Sentences that are positive exactly when their mood word is one of the first four words."""
    source = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = source.randrange(2)
        mood = source.choice(WORDS[:4] if label else WORDS[4:8])
        filler = [source.choice(WORDS[8:]) for _ in range(source.randrange(2, 9))]
        filler.insert(source.randrange(len(filler)), mood)
        texts.append(" ".join(filler))
        labels.append(label)
    return texts, labels


def write_tokenizer(folder: Path, words: Sequence[str] = WORDS) -> None:
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(str(folder))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained BERT encoder of two layers, as a user might name as teacher."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    write_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(WORDS) + 52, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=24,
    )  # fmt: skip
    BertModel(config).save_pretrained(str(folder))
    return folder
