"""The section `distill.augmentation`: how new sentences are made out of a task's own. Left out: making them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Section


class Augmentation(Section):
    """New sentences for the transfer, made of the task's training sentences: they join the corpus, without labels.

    tinybert: a masked language model's words and neighbours in word vectors; words: neighbours alone; bilstm: masks,
    words of the same part of speech, n-grams.
    """

    method: Literal["tinybert", "words", "bilstm"] = "tinybert"
    copies: int = Field(default=20, ge=1, description="of each sentence at most; equal ones are left out")
    rows: int | None = Field(default=None, ge=1, description="augment so many sentences, drawn by the seed; else all")
    vectors: str | None = Field(default=None, description="file of word vectors; bilstm needs them for clusters alone")
    tags: Literal["english", "clusters"] = Field(
        default="english", description="bilstm's parts of speech: TextBlob's, or clusters of the word vectors"
    )
    model: str = Field(
        default="all-MiniLM-L6-v2", description="the BERT whose masked-LM head proposes; without one, it is trained"
    )
    head_steps: int = Field(default=1000, ge=1, description="steps of 64 texts that a missing head is trained for")

    @model_validator(mode="after")
    def _vectors_fit(self) -> Augmentation:
        reads = self.method != "bilstm" or self.tags == "clusters"
        if reads and self.vectors is None:
            why = "clusters the word vectors" if self.method == "bilstm" else "takes the neighbours of words"
            raise ValueError(f"{self.method} {why}, but no `vectors` are given: name a file of word vectors")
        if not reads and self.vectors is not None:
            raise ValueError("bilstm with the tags english reads no `vectors`: leave them out or choose tags: clusters")
        return self
