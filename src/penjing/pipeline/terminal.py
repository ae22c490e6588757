"""What the commands print: tables that people read on a terminal and programs read from a pipe."""

from __future__ import annotations

import logging
import os
import sys
import unicodedata
from collections.abc import Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints aligned columns on a terminal; elsewhere tab-separated values with the same header."""
    cells = [[_printable(cell) for cell in row] for row in (columns, *rows)]
    if not sys.stdout.isatty():
        print("\n".join("\t".join(row) for row in cells))
        return
    widths = [max(_width(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Prints name and value on a line each: aligned on a terminal, else with a tab between them."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name.ljust(width)}  {_printable(value)}" if sys.stdout.isatty() else f"{name}\t{_printable(value)}")


def note(message: str) -> None:
    """One line for people on stderr, so that piped output stays clean."""
    print(f"penjing: {' '.join(message.split())}", file=sys.stderr)


def _width(cell: str) -> int:
    """Columns of a terminal: a Chinese sign takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in cell)


def _printable(cell: str) -> str:
    # Users' text may hold tabs, newlines and escape codes; each would break the table or the terminal.
    return "".join(letter if letter.isprintable() else " " for letter in cell)


def quiet_libraries() -> None:
    """Before torch and the converters are imported: keeps their notes to developers off the user's terminal."""
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
