"""Labels of words: slots and names. A tag a word in the scheme BIO, cross-entropy, F1 of whole spans.

A row has words and as many tags, with spaces between them or as a list. A span counts as found if its ends and its
label are right (Ramshaw and Marcus 1995; the CoNLL script, which seqeval follows). A flip is a text whose spans differ.
The device finds words in free text as the tokenizer does, so one word of the data may be several of its words (o'clock:
o ' clock). Each gets the tag that its place in the span asks for, and its first piece carries it. Left out: other
schemes, nested spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...runtime.answers import Postprocess
from ...runtime.spans import OUTSIDE, Span, spans_of, tags_in, tags_of
from ..distill.losses import logits_loss
from ..sentences import join_words
from ..tokens import TokenizedTexts
from .task import Goal, Targets, Task

OTHER_SCHEMES = {"S": "BIOES", "E": "BIOES", "L": "BILOU", "U": "BILOU", "M": "BMES"}


def _read(text: Any, cell: Any, labels: Sequence[str], _separator: str) -> tuple[str, tuple[Span, ...]]:
    words, tags = _parts(text), _parts(cell)
    if len(words) != len(tags):
        more = (
            f"more tags than words ({len(tags)}, {len(words)})" if len(tags) > len(words) else "fewer tags than words"
        )
        raise ValueError(f"{more} in row {{row}}: give one tag a word")
    for tag in tags:
        _check_tag(tag, labels)
    joined, places = join_words(words)
    return joined, spans_of(tags, places)


def _parts(cell: Any) -> list[str]:
    return [str(part) for part in cell] if isinstance(cell, (list, tuple)) else str(cell).split()


def _check_tag(tag: str, labels: Sequence[str]) -> None:
    part, dash, label = tag.partition("-")
    if tag == OUTSIDE or (part in ("B", "I") and label in labels):
        return
    if dash and part in OTHER_SCHEMES:
        raise ValueError(
            f"the tag {tag!r} in row {{row}}, of the scheme {OTHER_SCHEMES[part]}: rewrite the tags in the scheme BIO"
        )
    if dash and part in ("B", "I"):
        raise ValueError(f"the tag {tag!r} in row {{row}}; task.labels has {', '.join(labels)}")
    raise ValueError(f"the tag {tag!r} in row {{row}}, of no scheme that is known: write O, B-label and I-label (BIO)")


def _check(golds: Sequence[tuple[Span, ...]], _labels: Sequence[str]) -> None:
    if not any(golds):
        raise ValueError("holds no span: give text with some words that are not tagged O")


def _targets(golds: Sequence[tuple[Span, ...]], goal: Goal, texts: TokenizedTexts) -> Targets:
    numbers = {tag: i for i, tag in enumerate(goal.outputs)}
    rows: list[int] = []
    for i, gold in enumerate(golds):
        places = [(start, end) for _, start, end in texts.words_of(i)]
        rows += [numbers[tag] for tag in tags_in(gold, places)]
    return np.asarray(rows, np.int64)


def _hard(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets)


TASK = Task(
    kind="token-classification", problem="token_classification", metrics=("span F1",), read=_read, named=lambda _: (),
    check=_check, outputs=tags_of, after=lambda _: Postprocess("token-softmax"), targets=_targets, hard_loss=_hard,
    soft_loss=logits_loss, by_word=True,
)  # fmt: skip
