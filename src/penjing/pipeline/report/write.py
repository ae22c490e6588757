"""Writes a report's three files, and other pages of its look.

All files are made in memory first, so that a failure leaves none half-written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ...runtime.errors import OutputError
from .figures import pictures
from .markdown import report_markdown
from .model import Report
from .picture import Picture
from .table import Table
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
    write_texts(folder, texts)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes files by name, which end lines alike on every system. Raises OutputError when it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder} ({error.strerror}): choose another folder") from None


def report_html(report: Report) -> str:
    """The whole report as one page."""
    return page(
        TEMPLATE, pictures(report), tables(report),
        report=report, headline=headline(report), facts=facts(report), warnings=warnings(report),
    )  # fmt: skip


def page(template: str, drawn: Sequence[Picture], written: Sequence[Table], **values: Any) -> str:
    """One page that needs nothing from outside. Every text is escaped; only our own SVG is taken as it is."""
    loader = FunctionLoader(lambda name: (files(__package__) / name).read_text(encoding="utf-8"))
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["unbroken"] = _unbroken
    return environment.get_template(template).render(
        pictures={picture.key: (picture, Markup(picture.svg)) for picture in drawn},
        tables={table.key: table for table in written},
        **values,
    )


def _unbroken(text: str) -> str:
    """Keeps a range on one line: word joiners around its dash."""
    return text.replace(DASH, f"\u2060{DASH}\u2060")
