"""report.md: headline, warnings and every table, for a terminal or a code host. Left out: the pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...benchmarks.results import Run
from .model import Report
from .run_tables import run_tables
from .table import Table
from .tables import tables
from .words import headline, warnings


def report_markdown(report: Report) -> str:
    """The whole report as Markdown."""
    parts = [f"# {_plain(report.recipe)}", f"**{_plain(headline(report))}**"]
    parts += [f"> **Failed:** {_plain(sentence)}" for sentence in report.failures]
    parts += [f"> **Note:** {_plain(sentence)}" for sentence in warnings(report)]
    parts += [table_markdown(table) for table in tables(report)]
    parts.append(f"Made {_plain(report.created)} (UTC). Raw samples are in report.json, pictures in report.html.")
    return "\n\n".join(parts) + "\n"


def run_markdown(run: Run) -> str:
    """The tables of one run alone, its first subject compared with the others: what `penjing bench` prints."""
    made = run_tables(run, run.subjects[0].label)
    return "\n\n".join(table_markdown(table) for table in made if table.rows) + "\n"


def table_markdown(table: Table) -> str:
    """A table under its title, figures to the right."""
    rule = ["---" if i in table.wide else "---:" for i in range(len(table.columns))]
    lines = [_line(table.columns), "|" + "|".join(rule) + "|", *(_line(row) for row in table.rows)]
    note = f"\n\n{_plain(table.note)}" if table.note else ""
    return f"## {_plain(table.title)}\n\n" + "\n".join(lines) + note


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text on one line that a Markdown reader takes for text: no tag, link, emphasis or code can start."""
    escaped = re.sub(r"([\\`*_\[\]|])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
