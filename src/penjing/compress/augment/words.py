"""Words as places in a text, so that one is replaced and everything around it stays as it was.

Left out: what a word is replaced by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]
"""First character, and the one after the last."""

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+|[^\w\s]")
"""A Chinese sign, a run of letters and digits, or one punctuation mark: what BERT's tokenizers call a word."""

_STOP_WORDS = (
    "a about above after again against all am an and any are as at be because been before being below between both but"
    " by can cannot could d did do does doing don down during each few for from further had has have having he her here"
    " hers herself him himself his how i if in into is it its itself just ll m ma may me might more most must my myself"
    " needn no nor not now o of off on once only or other our ours ourselves out over own re s same shall she should so"
    " some such t than that the their theirs them themselves then there these they this those through to too under"
    " until up upon us ve very was we were what when where which while who whom why will with would you your yours"
    " yourself yourselves aren couldn didn doesn hadn hasn haven isn mightn mustn shan shouldn wasn weren won wouldn"
    " never none without"
)
_CHINESE_STOP_WORDS = "不没沒无無非未别別莫勿的地得了着过是在和与或吗呢吧我你他她它们这那"
STOP_WORDS = frozenset([*_STOP_WORDS.split(), *_CHINESE_STOP_WORDS])
"""Words that hold a sentence together, and those that turn its meaning round: they are never replaced."""


def word_spans(text: str) -> list[Span]:
    """Every word and punctuation mark, in order; only white space is outside."""
    return [match.span() for match in WORD.finditer(text)]


def is_replaceable(word: str) -> bool:
    """True for letters alone that are no stop word."""
    return word.isalpha() and word.lower() not in STOP_WORDS


def replace_words(text: str, spans: Sequence[Span], words: Sequence[str]) -> str:
    """The text with the word at each span replaced; spans are in order and do not overlap."""
    parts, end = [], 0
    for (start, stop), word in zip(spans, words, strict=True):
        parts += [text[end:start], word]
        end = stop
    return "".join([*parts, text[end:]])
