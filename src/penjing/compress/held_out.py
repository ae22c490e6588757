"""A share of training rows held out as validation, for data that comes without.

Which rows is decided by their text alone: the same ones in every run and on every machine, whatever the order of the
file, and rows of one text stay together, so that nothing trained on is validated on. Left out: even shares of every
label (a hash draws them about evenly).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeVar

Row = TypeVar("Row")


def hold_out(rows: Sequence[Row], share: float, text_of: Callable[[Row], str]) -> tuple[list[Row], list[Row]]:
    """The rows to train on and those to validate on, about a `share` of the texts, both in the order of `rows`."""
    kept: list[Row] = []
    held: list[Row] = []
    for row in rows:
        (held if _place(text_of(row)) < share else kept).append(row)
    return kept, held


def _place(text: str) -> float:
    """From 0 to 1, evenly over texts."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
