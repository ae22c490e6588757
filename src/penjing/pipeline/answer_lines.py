"""Answers of text bundles on the command line: a table of the columns that their kind has, or JSON.

Left out: detectors (`text_alarms.py`) and vectors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..runtime.answers import Answer, FoundSpan, ManyLabels, Number, Prediction, Spans
from ..runtime.errors import DataError
from ..runtime.manifest import Manifest
from .terminal import print_table

Question = tuple[str, ...]
"""A text, or the two of a pair."""


def print_answers(questions: Sequence[Question], answers: Sequence[Answer], as_json: bool) -> None:
    """One row a text, or one a span; JSON one line a text."""
    pairs = list(zip(questions, answers, strict=True))
    if as_json:
        for question, answer in pairs:
            print(json.dumps(plain(question, answer), ensure_ascii=False))
        return
    rows = [row for question, answer in pairs for row in _rows(" | ".join(question), answer)]
    print_table((*_columns(answers[0]), "text"), rows)


def write_logits(path: Path, questions: Sequence[Question], answers: Sequence[Answer], manifest: Manifest) -> None:
    """A JSON object a line: the text, the second one of a pair, and a logit for each label. Whole or not at all.

    Raises DataError for a task that has no logit a label and text, or a file that is no .jsonl.
    """
    if path.suffix != ".jsonl":
        raise DataError(f"--logits {path} must end in .jsonl: one JSON object a line")
    if manifest.task != "text-classification":
        raise DataError(f"{manifest.name} is for {manifest.task}: --logits are of text-classification alone")
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        for question, answer in zip(questions, answers, strict=True):
            asked = dict(zip(("text", "pair"), question, strict=False))
            assert not isinstance(answer, Spans)  # which another task gives
            said = dict(zip(manifest.labels, answer.logits, strict=True))
            file.write(json.dumps({**asked, **said}, ensure_ascii=False) + "\n")
    os.replace(part, path)


def plain(question: Question, answer: Answer) -> dict[str, Any]:
    """The answer's own names and values but for the logits, after the text or the two of a pair."""
    asked = dict(zip(("text", "pair"), question, strict=False))
    found = {name: value for name, value in asdict(answer).items() if name != "logits"}
    if isinstance(answer, Prediction) and not answer.out_of_scope:
        del found["out_of_scope"]
    return {**asked, **found}


def _columns(answer: Answer) -> tuple[str, ...]:
    if isinstance(answer, Number):
        return ("value",)
    if isinstance(answer, ManyLabels):
        return "labels", "scores"
    if isinstance(answer, Spans):
        return "label", "span", "place", "score"
    return "label", "score"


def _rows(text: str, answer: Answer) -> list[tuple[str, ...]]:
    if isinstance(answer, Number):
        return [(answer.summary, text)]
    if isinstance(answer, ManyLabels):
        scores = ", ".join(f"{answer.probabilities[label]:.4f}" for label in answer.labels)
        return [(answer.summary, scores, text)]
    if isinstance(answer, Spans):
        found = [_span(span) for span in answer.spans] or [("", "", "", "")]
        return [(*cells, text) for cells in found]
    return [(answer.summary, f"{answer.score:.4f}", text)]


def _span(span: FoundSpan) -> tuple[str, ...]:
    return span.label, span.text, f"{span.start}-{span.end}", f"{span.score:.4f}"
