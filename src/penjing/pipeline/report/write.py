"""Writes a report's three files. All three are made in memory first, so that a failure leaves none half-written."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...runtime.errors import OutputError
from .figures import pictures
from .markdown import report_markdown
from .model import Report
from .tables import tables
from .words import DASH, facts, headline, warnings

TEMPLATE = "report.html.j2"


def write_report(folder: Path, report: Report) -> None:
    """Writes `report.json`, `report.md` and `report.html` into `folder`. Raises OutputError when it cannot."""
    texts = {
        "report.json": json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": report_markdown(report),
        "report.html": report_html(report),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder} ({error.strerror}): choose another folder") from None


def report_html(report: Report) -> str:
    """One page that needs nothing from outside. Every text is escaped; only our own SVG is taken as it is."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["unbroken"] = _unbroken
    template = environment.from_string((files(__package__) / TEMPLATE).read_text(encoding="utf-8"))
    drawn = {picture.key: (picture, Markup(picture.svg)) for picture in pictures(report)}
    written = {table.key: table for table in tables(report)}
    return template.render(
        report=report, headline=headline(report), facts=facts(report), warnings=warnings(report),
        pictures=drawn, tables=written,
    )  # fmt: skip


def _unbroken(text: str) -> str:
    """Keeps a range on one line: word joiners around its dash."""
    return text.replace(DASH, f"\u2060{DASH}\u2060")
