"""Word tags to spans and back, in the scheme BIO: B-x begins a span of the label x, I-x goes on with it, O is outside.

Read as the CoNLL script reads it: an I-x that follows nothing of its own label begins a span. Left out: other schemes.
"""

from __future__ import annotations

from collections.abc import Sequence

Word = tuple[int, int, int]
"""The token that a word begins with, and the places of its first character and behind its last one."""
Span = tuple[int, int, str]
"""The places of its first character and behind its last one, and its label."""
OUTSIDE = "O"


def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
    """All tags of these labels: O, then B-x and I-x of each."""
    return (OUTSIDE, *(f"{part}-{label}" for label in labels for part in "BI"))


def spans_of(tags: Sequence[str], words: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """The spans that one tag a word makes. `words` are the places of each word's ends in the text.

    Example: B-date I-date O -> one span from the first word's start to the second one's end.
    """
    spans: list[Span] = []
    inside = OUTSIDE
    for tag, (start, end) in zip(tags, words, strict=True):
        part, _, label = tag.partition("-")
        if part == OUTSIDE:
            inside = OUTSIDE
        elif part == "I" and label == inside:
            spans[-1] = (spans[-1][0], end, label)
        else:
            spans.append((start, end, label))
            inside = label
    return tuple(spans)


def tags_in(spans: Sequence[Span], words: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """The tag of each word: of the span that holds its first character, B where that span begins in it."""
    tags = [OUTSIDE] * len(words)
    for start, end, label in spans:
        inside = [i for i, (first, last) in enumerate(words) if first < end and last > start]
        for i in inside:
            tags[i] = f"{'B' if i == inside[0] else 'I'}-{label}"
    return tuple(tags)
