"""Texts to token ids, from the bundle's `tokenizer.json` with the `tokenizers` library.

The file decides everything but the length: its own padding and truncation settings are put aside. Left out: going back
from ids to text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError, DataError
from .spans import Word

TOKENIZER_NAME = "tokenizer.json"
TOKENIZER_FILES = (TOKENIZER_NAME, "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
"""All that a tokenizer is saved as; the first one decides, others may be missing."""
_FIRST_PREFIX = 16
"""Characters for each token of the limit that are tried first on a long text: English has about four."""
_SPLITS_AT_SPACES = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Those of TOKENIZER_FILES that `source` holds."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            (folder / name).write_bytes((source / name).read_bytes())


@dataclass(frozen=True)
class Encoded:
    """`input_ids`, `attention_mask` and `token_type_ids`, each [texts, longest] of int64; `truncated`, one a text.

    `words` are those of each text, where they were asked for.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    truncated: tuple[bool, ...]
    words: tuple[tuple[Word, ...], ...] = ()

    @property
    def inputs(self) -> dict[str, NDArray[np.int64]]:
        """The three arrays by the names that models use."""
        return {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "token_type_ids": self.token_type_ids,
        }


class TextTokenizer:
    """Cuts texts at `max_length` tokens, special tokens included, on the right."""

    def __init__(self, folder: Path, max_length: int) -> None:
        """Reads the folder's `tokenizer.json`; raises BundleError when it is missing or broken."""
        from tokenizers import Tokenizer

        path = folder / TOKENIZER_NAME
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            reason = " ".join(str(error).split())[:200]
            raise BundleError(f"{path} cannot be read as a tokenizer ({reason}): copy the bundle again") from None
        self.max_length = max_length
        self.pad_id = _pad_id(self._tokenizer)
        self._cut_at_spaces = _ends_words_at_spaces(self._tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, words: bool = False) -> Encoded:
        """Ids with special tokens, padded to the longest of `texts`. Raises DataError for text that is no Unicode.

        With `pairs`, the second text of each, both are in one row: [CLS] a [SEP] b [SEP], of types 0 and 1; what is too
        long is cut off the longer of the two. `words` finds each text's words, with their places in it.
        """
        if pairs is None:
            encodings = [self._encode(text) for text in texts]
        else:
            encodings = [self._encode_pair(text, pair) for text, pair in zip(texts, pairs, strict=True)]
        truncated = tuple(bool(encoding.overflowing) for encoding in encodings)
        found = tuple(words_of(encoding) for encoding in encodings) if words else ()
        if len(encodings) == 1:
            only = encodings[0]
            return Encoded(_row(only.ids), _row(only.attention_mask), _row(only.type_ids), truncated, found)
        shape = len(encodings), max((len(encoding.ids) for encoding in encodings), default=0)
        ids, mask, types = np.full(shape, self.pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            tokens = len(encoding.ids)
            ids[row, :tokens] = encoding.ids
            mask[row, :tokens] = encoding.attention_mask
            types[row, :tokens] = encoding.type_ids
        return Encoded(ids, mask, types, truncated, found)

    def _encode(self, text: str) -> Any:
        try:
            prefix = _FIRST_PREFIX * self.max_length
            while self._cut_at_spaces and prefix < len(text):
                # A megabyte takes a second to tokenize, of which the first tokens are kept. Words end at a space, so
                # the prefix has the same tokens as the text; if it is cut itself, the rest can't matter.
                end = max(text.rfind(" ", 0, prefix), text.rfind("\n", 0, prefix), 0)
                encoding = self._tokenizer.encode(text[:end])
                if encoding.overflowing:
                    return encoding
                prefix *= 4
            return self._tokenizer.encode(text)
        except (TypeError, UnicodeEncodeError):
            raise _no_text(text) from None

    def _encode_pair(self, text: str, pair: str) -> Any:
        try:
            return self._tokenizer.encode(text, pair)
        except (TypeError, UnicodeEncodeError):
            raise _no_text(text + pair) from None


def words_of(encoding: Any) -> tuple[Word, ...]:
    """The words of a `tokenizers` encoding: what its pre-tokenizer cut out, at white space and punctuation for BERT.

    A word whose end was cut off goes as far as its last token.
    """
    words: list[Word] = []
    before: int | None = None
    for token, (word, place) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
        if word is not None and word == before:
            words[-1] = (words[-1][0], words[-1][1], place[1])
        elif word is not None:
            words.append((token, *place))
        before = word
    return tuple(words)


def check_text(text: str, which: str) -> None:
    """Raises DataError when `text`, called `which`, is no string, is empty or only white space."""
    if not isinstance(text, str):
        raise DataError(f"{which} is {type(text).__name__}, not a string: use predict_many for several texts")
    if not text or text.isspace():
        raise DataError(f"{which} is empty: give at least one word")


def _no_text(text: str) -> DataError:
    return DataError(f"{text[:40]!r} holds half a surrogate pair, which is no text: decode it as UTF-8 first")


def _row(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array([values], dtype=np.int64)


def _pad_id(tokenizer: Any) -> int:
    given = (tokenizer.padding or {}).get("pad_id")
    candidates = (given, tokenizer.token_to_id("[PAD]"), tokenizer.token_to_id("<pad>"), 0)
    return next(candidate for candidate in candidates if candidate is not None)


def _ends_words_at_spaces(tokenizer: Any) -> bool:
    """Whether the text before a space has the same tokens whatever follows the space.

    True of BERT's family: characters are cleaned one by one, words end at a space, and no added token holds one.
    """
    added = "".join(token.content for token in tokenizer.get_added_tokens_decoder().values())
    return (
        type(tokenizer.normalizer).__name__ in ("BertNormalizer", "NoneType")
        and type(tokenizer.pre_tokenizer).__name__ in _SPLITS_AT_SPACES
        and not any(char.isspace() for char in added)
    )
