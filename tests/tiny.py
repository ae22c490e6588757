"""A tiny teacher with a real WordPiece tokenizer, and sentences whose label one word decides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase

import torch

WORDS = ("good", "fine", "great", "lovely", "bad", "poor", "awful", "dull", "film", "plot", "the", "a", "very", "was")
POSITIVE, NEGATIVE, FILLER = WORDS[:4], WORDS[4:8], WORDS[8:]


def make_sentences(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Sentences and labels: 1 where the mood word is a positive one."""
    source = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = source.randrange(2)
        words = [source.choice(FILLER) for _ in range(source.randrange(2, 9))]
        words.insert(source.randrange(len(words)), source.choice(POSITIVE if label else NEGATIVE))
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def write_table(path: Path, count: int, seed: int) -> None:
    """A TSV of such sentences with the columns `text` and `label`."""
    texts, labels = make_sentences(count, seed)
    rows = [f"{text}\t{('negative', 'positive')[label]}" for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8")


def write_encoder(folder: Path, words: Sequence[str] = WORDS) -> None:
    """An untrained BERT of two layers, saved as a user's own teacher would be."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = [*ascii_lowercase, *(f"##{c}" for c in ascii_lowercase)]
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(str(folder))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=24,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
    )  # fmt: skip
    BertModel(config).save_pretrained(str(folder))
