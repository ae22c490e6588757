"""From matplotlib to a picture inside a page: text stays text, and ink follows the page's light or dark colours.

matplotlib knows fixed colours only, so two that no picture uses stand for the page's ink and its lines and are replaced
by CSS. Left out: what is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK, LINE = "#010203", "#040506"
WIDTH = 8.6
"""Inches at 72 points: how wide a picture is drawn; the page scales it."""

PALETTE = ("#3b82c4", "#d97f30", "#3f9b6c", "#9a6fc0", "#cf5b5b", "#2fa0a8", "#a88f2f", "#808890", "#b5568f", "#5a6bd0")
"""Readable on white and on near-black, and apart from each other for colour-blind eyes as far as ten can be."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "penjing",
    "text.parse_math": False,  # a label may hold a dollar sign
    "font.family": "DejaVu Sans",  # wider than most, so what fits here fits in the reader's font
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """matplotlib's settings for the pictures of a report."""
    with matplotlib.rc_context(_STYLE):
        yield


def colour(index: int) -> str:
    """The same index is the same model in every picture."""
    return PALETTE[index % len(PALETTE)]


def figure_svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element that needs nothing from outside; `name` keeps its ids apart from others'."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text, count=2)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text)
    text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace(INK, "currentColor").replace(LINE, "var(--line)")
