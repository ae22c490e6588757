"""The section `student`: one class an architecture, told apart by the key `architecture`.

Left out: what fits a teacher (`method_check.py`) and the rest of the recipe (`sections.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from .section import Section

ARCHITECTURES = ("mobilebert", "bert", "bilstm")


class Student(Section):
    """A MobileBERT (arXiv 2004.02984, section 3) of these sizes; as two towers it reads each text of a pair alone."""

    architecture: Literal["mobilebert"] = "mobilebert"
    layers: int = Field(default=6, ge=1)
    hidden_size: int = Field(default=384, ge=8)
    bottleneck_size: int = Field(default=96, ge=4)
    embedding_size: int = Field(default=96, ge=4)
    heads: int = Field(default=12, ge=1)
    intermediate_size: int = Field(default=384, ge=4)
    feed_forwards: int = Field(default=4, ge=1)
    norm: Literal["no_norm", "layer_norm"] = "no_norm"
    activation: Literal["relu", "gelu"] = "relu"
    towers: Literal["two"] | None = Field(
        default=None, description="two: each text of a pair gets a vector of its own, and a linear head reads both"
    )


class BertStudent(Section):
    """The teacher itself, for `prune` to cut the student out of; or, with `layers`, so many of its layers, which are
    then distilled as any student."""

    architecture: Literal["bert"] = "bert"
    layers: int | None = Field(default=None, ge=1)


class BiLstmStudent(Section):
    """A BiLSTM over whole words (arXiv 1903.12136, section 3.2), with a vocabulary and a tokenizer of its own; both
    texts of a pair go through it (siamese)."""

    architecture: Literal["bilstm"] = "bilstm"
    vectors: str | None = Field(default=None, description="word vectors: .bin, .txt, .vec, .npz, or a folder")
    channels: Literal["both", "trained", "static"] = Field(
        default="both", description="each word's table: one that learns, one that stays as the vectors are, or both"
    )
    words: int = Field(default=8000, ge=8, description="largest vocabulary: frequent words and those with vectors")
    embedding_size: int = Field(default=300, ge=1)
    hidden_size: int = Field(default=150, ge=1, description="of each direction")
    classifier_size: int = Field(default=200, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @property
    def layers(self) -> None:
        """None that answer to a teacher's."""

    @model_validator(mode="after")
    def _static_is_filled(self) -> BiLstmStudent:
        if self.vectors is None and self.channels != "trained":
            raise ValueError(f"channels is {self.channels}, but there are no `vectors`: name some or set it to trained")
        return self


def _architecture(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("architecture", "mobilebert"))
    return str(getattr(value, "architecture", "mobilebert"))  # what is neither is told to be no dictionary


AnyStudent = Annotated[
    Annotated[Student, Tag("mobilebert")]
    | Annotated[BertStudent, Tag("bert")]
    | Annotated[BiLstmStudent, Tag("bilstm")],
    Discriminator(_architecture),
]
