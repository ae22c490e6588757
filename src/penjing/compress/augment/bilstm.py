"""The three augmentations of BERT to BiLSTM (arXiv 1903.12136, section 3.3): masks, same part of speech, n-grams.

Each word is masked with probability p_mask, or else replaced with p_pos by a word of its part of speech, drawn as often
as it occurs; then with p_ng only an n-gram is kept. A copy that was there before, or that keeps no word, is left out.
Left out: labels, which the teacher gives.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .parts_of_speech import Tagger
from .words import replace_words, word_spans

P_MASK, P_POS, P_NGRAM = 0.1, 0.1, 0.25
LONGEST_NGRAM = 5

Row = tuple[str, ...]
"""One text, or the two of a pair."""


@dataclass(frozen=True)
class WordsOfTag:
    """Words of one part of speech, and how often they occur, summed up."""

    words: tuple[str, ...]
    sums: tuple[int, ...]


@dataclass(frozen=True)
class Noise:
    """What the texts' words are, by part of speech; `mask` is the teacher's mask token."""

    tagger: Tagger
    by_tag: dict[str, WordsOfTag]
    mask: str

    @staticmethod
    def of(texts: Sequence[str], tagger: Tagger, mask: str) -> Noise:
        """Counts the words of all texts by the tags that `tagger` gives them."""
        counts: dict[str, Counter[str]] = {}
        for text in texts:
            words = _words(text)
            for word, tag in zip(words, tagger(words), strict=True):
                if tag is not None:
                    counts.setdefault(tag, Counter())[word] += 1
        by_tag = {}
        for tag, counted in counts.items():
            found = sorted(counted.items())  # so that the order of the texts does not matter
            sums = tuple(itertools.accumulate(number for _, number in found))
            by_tag[tag] = WordsOfTag(tuple(word for word, _ in found), sums)
        return Noise(tagger, by_tag, mask)

    def changed(self, text: str, tags: Sequence[str | None], source: random.Random) -> str | None:
        """One copy; None when no word of the text would be left. `tags` are those of its words."""
        spans, old = word_spans(text), _words(text)
        new = [self._word(word, tag, source) for word, tag in zip(old, tags, strict=True)]
        first, last = _kept(len(old), source)
        if all(a != b for a, b in zip(old[first:last], new[first:last], strict=True)):
            return None
        start, stop = spans[first][0], spans[last - 1][1]
        kept = [(a - start, b - start) for a, b in spans[first:last]]
        return replace_words(text[start:stop], kept, new[first:last])

    def _word(self, word: str, tag: str | None, source: random.Random) -> str:
        drawn = source.random()
        if drawn < P_MASK:
            return self.mask
        if drawn < P_MASK + P_POS and tag in self.by_tag:
            same = self.by_tag[tag]
            return source.choices(same.words, cum_weights=same.sums)[0]
        return word


def noisy_copies(row: Row, noise: Noise, copies: int, seed: int) -> list[Row]:
    """The row itself, then at most `copies` others, all different; they depend on the seed and the row alone.

    Of a pair, copies change the first text, the second, and both, in turn; each starts from the row as it is.
    """
    source = random.Random(f"{seed}-{row}")
    tags = [noise.tagger(_words(text)) for text in row]
    turns = [(0,), (1,), (0, 1)] if len(row) == 2 else [(0,)]
    found: dict[Row, None] = {row: None}
    for copy in range(copies):
        new: list[str | None] = list(row)
        for place in turns[copy % len(turns)]:
            new[place] = noise.changed(row[place], tags[place], source)
        if None not in new:
            found[tuple(text for text in new if text is not None)] = None
    return list(found)


def _kept(count: int, source: random.Random) -> tuple[int, int]:
    """The words that stay, from the first to before the last: all, or an n-gram."""
    if source.random() >= P_NGRAM:
        return 0, count
    size = min(source.randint(1, LONGEST_NGRAM), count)
    first = source.randrange(count - size + 1)
    return first, first + size


def _words(text: str) -> list[str]:
    return [text[slice(*span)] for span in word_spans(text)]
