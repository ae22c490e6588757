"""A picture as a value, and the axes that several pictures share. Left out: what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator


@dataclass(frozen=True)
class Picture:
    """An inline SVG with its caption. `key` is where the page puts it; `alt` says its figures to who cannot see it."""

    key: str
    title: str
    svg: str
    caption: str
    alt: str = ""


def bar_axes(axes: Axes, labels: Sequence[str]) -> None:
    """A horizontal bar for each label, the first one on top."""
    axes.set_yticks(range(len(labels)), [short(label, 28) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def plain_log_ticks(axis: Axis) -> None:
    """1, 2, 5, 10, 20 ... instead of powers; more of them where the axis is short, fewer where it is long."""
    low, high = sorted(axis.get_view_interval())
    choices = ((5, (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)), (60, (1.0, 2.0, 5.0)), (400, (1.0, 3.0)))
    digits = next((digits for ratio, digits in choices if high / low <= ratio), (1.0,))
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def short(label: str, longest: int) -> str:
    """At most `longest` letters of the label."""
    return label if len(label) <= longest else label[: longest - 1] + "…"
