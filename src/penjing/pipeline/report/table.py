"""A table as a value that `markdown.py` and the HTML template both print. Left out: what stands in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """`wide` are the columns (numbers from 0) that hold words, not figures. `key` is where the HTML page puts it."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    wide: tuple[int, ...] = (0,)
