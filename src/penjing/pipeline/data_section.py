"""The section `data` of a text recipe: where labelled text comes from and what its columns are called.

Left out: whether the files are there and hold the columns, which is checked when they are read (`compress/data.py`).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from .section import Section


class Data(Section):
    """Labelled text: two files (TSV, CSV, JSON Lines, Parquet; .gz and .xz too), or a data set of the hub."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None
    hub: str | None = Field(default=None, description="a data set id for `datasets.load_dataset`, instead of files")
    hub_config: str | None = None
    text: str = Field(default="text", description="column that holds the text")
    text_pair: str | None = Field(default=None, description="column of the second text, for a task of pairs")
    label: str = Field(default="label", description="column that holds the label: a name, or its number in task.labels")
    label_separator: str | None = Field(
        default=None, min_length=1, description="between the labels of a text that has many; a comma if not given"
    )
    held_out: float | None = Field(
        default=None, gt=0, le=0.5, description="share of the training rows that are validated on, for want of a file"
    )
    limit: int | None = Field(default=None, ge=8, description="use only this many training rows (for a quick try)")
    domain: str | None = Field(default=None, description="column that holds each text's domain, for Meta-KD")
    domains: tuple[str, ...] = Field(
        default=(), description="or files of each domain: these names stand where the files have {domain}"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        if (self.hub is None) == (self.train is None):
            raise ValueError("give either `train` and `validation` files or a `hub` data set")
        if self.validation is not None and self.held_out is not None:
            raise ValueError("give either `validation`, a file, or `held_out`, a share of the training rows, not both")
        if self.train is not None and self.validation is None and self.held_out is None:
            raise ValueError(
                "`validation` is missing: the proof and the best epoch need held-out text; name a file, or take a share"
                " of the training rows with `held_out: 0.1`"
            )
        return self

    def settings(self) -> dict[str, Any]:
        """For the name of a stage."""
        of_domains = () if self.has_domains else ("domain", "domains")
        return self.without_unset("text_pair", "label_separator", "held_out", exclude=of_domains)

    @model_validator(mode="after")
    def _pair_has_two_columns(self) -> Data:
        if self.text_pair is not None and self.text_pair in (self.text, self.label):
            raise ValueError(
                f"text_pair names the column {self.text_pair!r} again: a task of pairs needs two columns of text"
            )
        return self

    @model_validator(mode="after")
    def _domains_are_found(self) -> Data:
        if self.domain is not None and self.domains:
            raise ValueError("give either `domain`, a column, or `domains`, names in the files' paths, not both")
        if self.has_domains and self.hub is not None:
            raise ValueError("domains are read from files: give `train` and `validation` instead of `hub`")
        if self.domain is not None and self.held_out is not None:
            raise ValueError("held_out knows no column of domains: name a `validation` file, or use `domains`")
        files = [file for file in (self.train, self.validation, self.test) if file is not None]
        if self.domains and not all("{domain}" in file for file in files):
            raise ValueError(f"`domains` are names in the files' paths: write {{domain}} there in each of {files}")
        if len(set(self.domains)) != len(self.domains) or not all(self.domains):
            raise ValueError(f"domains are {list(self.domains)}: give each one name, all different")
        return self

    @property
    def has_domains(self) -> bool:
        """Whether each text has a domain."""
        return self.domain is not None or bool(self.domains)
