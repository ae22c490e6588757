"""Unlabelled text in a recipe: what is learnt from beside the training text, and whose words stay in a cut vocabulary.

Left out: reading it (`compress/corpus.py`).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from .section import Section


class Corpus(Section):
    """One file of unlabelled text, how to read it and how much of it to take."""

    file: str
    column: str | None = Field(default=None, description="column of a table; plain text has one sentence a line")
    sentences: bool = Field(default=False, description="split each row into sentences")
    rows: int | None = Field(default=None, ge=1, description="take this many sentences, drawn by the seed")
    text_pair: str | None = Field(default=None, description="column of the second text, for a task of pairs")

    @model_validator(mode="after")
    def _pair_is_of_columns(self) -> Corpus:
        if self.text_pair is not None and (self.column is None or self.sentences or self.text_pair == self.column):
            raise ValueError(
                f"text_pair {self.text_pair!r} is the second text of a table's row: name the first one's column in"
                " `column`, another one, and leave `sentences` out"
            )
        return self

    def settings(self) -> dict[str, Any]:
        """For the name of a stage."""
        return self.without_unset("text_pair")
