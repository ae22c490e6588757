"""A tokenizer of whole words, made from the task's text, as `tokenizer.json` that every reader of BERT's kind takes.

It is a WordPiece file without pieces that continue a word: a word is in the vocabulary or [UNK]. So the runtime and
the demo app read it as they are. Capitals are lowered and punctuation stands alone; nothing else is changed or dropped,
so that no text is left without a token, and no special tokens stand around it. Left out: pieces of words, and removing
accents.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ..runtime.errors import DataError
from ..runtime.tokenizer import TOKENIZER_NAME

PAD, UNKNOWN, MASK = "[PAD]", "[UNK]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, MASK)
"""The first ids. [MASK] is for augmentation: a student learns a row for it."""
SEEN_ENOUGH = 2
"""A word of the training text that no word vector knows and that occurs less often teaches its row nothing."""

_NORMALIZER = normalizers.BertNormalizer(
    clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=True
)
_SPLITTER = pre_tokenizers.BertPreTokenizer()


def split_words(text: str) -> list[str]:
    """The words of a text as the tokenizer cuts it.

    Example: "It's GREAT!" -> it, ', s, great, !
    """
    return [word for word, _ in _SPLITTER.pre_tokenize_str(_NORMALIZER.normalize_str(text))]


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs."""
    return Counter(word for text in texts for word in split_words(text))


def choose_words(train: Counter[str], corpus: Counter[str], is_known: Callable[[str], bool], limit: int) -> list[str]:
    """At most `limit` words that matter, most important first.

    Those of the training text by their count, leaving out rare ones that no word vector knows; then those of the corpus
    that word vectors know, by their count. Raises DataError when there are none.
    """
    ranked = [word for word in _by_count(train) if train[word] >= SEEN_ENOUGH or is_known(word)]
    taken = {*ranked, *SPECIAL}
    ranked += [word for word in _by_count(corpus) if word not in taken and is_known(word)]
    chosen = [word for word in ranked if word not in SPECIAL][:limit]
    if not chosen:
        raise DataError(
            f"no word of the training text occurs {SEEN_ENOUGH} times or is known to the word vectors: add text or"
            " name other word vectors"
        )
    return chosen


def write_word_tokenizer(words: Sequence[str], folder: Path) -> None:
    """Writes tokenizer.json, vocab.txt and tokenizer_config.json into `folder`; ids are SPECIAL's, then the words'."""
    vocabulary = [*SPECIAL, *words]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token=UNKNOWN))
    tokenizer.normalizer = _NORMALIZER
    tokenizer.pre_tokenizer = _SPLITTER
    tokenizer.add_special_tokens(list(SPECIAL))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER_NAME))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8", newline="\n")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": PAD, "unk_token": UNKNOWN, "mask_token": MASK,
        "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8", newline="\n")


def _by_count(counts: Counter[str]) -> list[str]:
    """Ties in the order of the alphabet, so that the same text gives the same vocabulary."""
    return sorted(counts, key=lambda word: (-counts[word], word))
