"""TinyBERT's augmentation (arXiv 1909.10351, algorithm 1): some words of a sentence become near ones.

A word that is one piece for the tokenizer gets what a masked language model proposes, any other its neighbours in word
vectors; each copy replaces each such word with probability 0.4. As in the authors' code the word itself may be among
its proposals, and a copy that was there before is left out. Also without a model: neighbours for every word. Left out:
labels, which the teacher gives.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from .neighbours import UnitVectors
from .proposals import Proposer
from .words import Span, is_replaceable, replace_words, word_spans

REPLACED = 0.4

Options = list[tuple[Span, tuple[str, ...]]]
"""The words that may be replaced, and by what; in order."""


def tinybert_options(texts: Sequence[str], proposer: Proposer, vectors: UnitVectors) -> list[Options]:
    """Of each text: proposals for words of one piece, neighbours for the others."""
    tokenized = [proposer.tokenize(text) for text in texts]
    proposed = proposer.propose(tokenized)
    found: list[Options] = []
    for number, (text, tokens) in enumerate(zip(texts, tokenized, strict=True)):
        options: Options = []
        for place in tokens.places:
            if place.piece is None:
                words = vectors.neighbours(text[slice(*place.span)])
            else:
                words = proposed.get((number, place.piece), ())
            options += [(place.span, words)] if words else []
        found.append(options)
    return found


def neighbour_options(texts: Sequence[str], vectors: UnitVectors) -> list[Options]:
    """Of each text: neighbours for every word that has some."""
    found: list[Options] = []
    for text in texts:
        words = {span: text[slice(*span)] for span in word_spans(text)}
        near = {span: vectors.neighbours(word) for span, word in words.items() if is_replaceable(word)}
        found.append([(span, others) for span, others in near.items() if others])
    return found


def replaced_copies(text: str, options: Options, copies: int, seed: int) -> list[str]:
    """The text itself, then at most `copies` others, all different; they depend on the seed and the text alone."""
    source = random.Random(f"{seed}-{text}")
    found = {text: None}
    for _ in range(copies):
        chosen = [(span, source.choice(words), source.random() < REPLACED) for span, words in options]
        kept = [(span, word) for span, word, replaced in chosen if replaced]
        found[replace_words(text, [span for span, _ in kept], [word for _, word in kept])] = None
    return list(found)
