"""Sentences and words of text whose language may put no spaces between them, as Chinese does.

Left out: Japanese and Thai words, which BERT's tokenizers do not find either, and full stops that end no sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .augment.words import HAN

_END, _CLOSING = "\u3002\uff01\uff1f", "\u2019\u201d\u300d\u300f\uff09"
"""Chinese full stop, exclamation and question mark; what closes quotations and brackets."""
SENTENCE_END = re.compile(rf"(?<=[.!?])\s+|(?<=[{_END}])(?![{_END}{_CLOSING}])|(?<=[{_END}][{_CLOSING}])")
"""White space after a Latin end, or right behind a Chinese one and what closes after it."""
SENTENCE_WORDS = (3, 60)
"""Shorter sentences teach little; longer ones are mostly lists and broken markup."""

_HAN = re.compile(rf"[{HAN}]")
_UNSPACED = re.compile(rf"[{HAN}\u3000-\u303f\uff00-\uffef]")
"""Chinese signs and punctuation of full width, beside which there is no space."""


def split_sentences(text: str) -> list[str]:
    """Those of SENTENCE_WORDS words.

    Example: "It was late. 他没有来。" -> "It was late." and "他没有来。"
    """
    found = [part.strip() for part in SENTENCE_END.split(text)]
    return [sentence for sentence in found if SENTENCE_WORDS[0] <= count_words(sentence) <= SENTENCE_WORDS[1]]


def count_words(text: str) -> int:
    """What stands between spaces; each Chinese sign counts as a word, which it is for a tokenizer."""
    return len(_HAN.sub(lambda sign: f" {sign[0]} ", text).split())


def join_words(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text that the words stand in, and the places of each one's ends.

    Spaces are between them as the language has it: in a sentence with Chinese signs only between two Latin words or
    numbers, unless every character is a word of its own.

    Example: 他 在 1 9 9 8 年 -> 他在1998年.
    """
    chinese = any(_HAN.search(word) for word in words)
    text, places = "", []
    for before, word in zip(("", *words), words, strict=False):
        close = len(before) == len(word) == 1 or _UNSPACED.match(before[-1:]) or _UNSPACED.match(word)
        text += "" if not before or (chinese and close) else " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return text, places
