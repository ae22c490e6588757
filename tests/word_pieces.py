"""WordPiece tokenizers for tests: small ones of given pieces, and the real one of the packaged teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

from penjing.compress.teacher import locate_teacher
from penjing.runtime.errors import TrainingError

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_tokenizer(folder: Path, pieces: Sequence[str], *, processor: Any = None) -> Path:
    """A folder with BERT's tokenizer.json of these pieces; SPECIAL ones among them are added tokens."""
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if processor is not None:
        tokenizer.post_processor = processor
    tokenizer.add_special_tokens([piece for piece in pieces if piece in SPECIAL])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_real(folder: Path) -> Path:
    """all-MiniLM-L6-v2's tokenizer, saved as `fine_tune_teacher` saves it; skips the test where it is not installed."""
    try:
        place = locate_teacher("all-MiniLM-L6-v2")
    except TrainingError as error:
        pytest.skip(str(error))
    AutoTokenizer.from_pretrained(place).save_pretrained(str(folder))
    return folder


def read(folder: Path) -> Tokenizer:
    """The folder's tokenizer, without its padding and truncation."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def tokens(folder: Path, text: str) -> list[str]:
    """The tokens of one text, without special ones."""
    return list(read(folder).encode(text, add_special_tokens=False).tokens)
