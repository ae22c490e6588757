"""Medians of every file on every timed target, a panel a condition. Left out: cold starts, and emulated cores."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...benchmarks.measurement import Condition
from ...benchmarks.verdict import judge
from .figures import WARM
from .picture import Picture, bar_axes, plain_log_ticks, short
from .side_by_side import NamedRun
from .svg import LINE, WIDTH, colour, drawing_style, figure_svg
from .words import condition_order, milliseconds

MARKERS = "osD^vP*X"
COLUMNS = 2


def targets_picture(targets: Sequence[NamedRun]) -> Picture | None:
    """A mark a target, with the interval as a line, hollow where the figure is not trusted; None if none was timed."""
    conditions = sorted({c for target in targets for c in target.run.conditions(*WARM)}, key=condition_order)
    if not conditions:
        return None
    labels = list(dict.fromkeys(m.subject for t in targets for m in t.run.measurements if m.condition in conditions))
    columns = min(COLUMNS, len(conditions))
    lines = -(-len(conditions) // columns)
    timed = [(i, target) for i, target in enumerate(targets) if target.run.conditions(*WARM)]
    with drawing_style():
        height = 0.6 + lines * (0.65 + len(labels) * (0.16 + 0.12 * len(timed)))
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for panel, condition in zip(panels.flat, conditions, strict=False):
            _panel(panel, timed, condition, labels)
        for panel in panels.flat[len(conditions) :]:
            panel.set_axis_off()
        for panel in panels[-1]:
            panel.set_xlabel("p50 ms (log scale)")
        figure.legend(handles=[_handle(i, target) for i, target in timed], loc="outside upper left", ncols=3)
        svg = figure_svg(figure, "targets")
    caption = "Medians with their 95% intervals. A hollow mark is a figure that was noisy or throttled."
    return Picture("targets", "Latency by target", svg, caption, _alt(timed, conditions[0]))


def _panel(panel: Axes, timed: Sequence[tuple[int, NamedRun]], condition: Condition, labels: Sequence[str]) -> None:
    bar_axes(panel, labels)
    for row in range(1, len(labels)):
        panel.axhline(row - 0.5, color=LINE, linewidth=0.6)
    for place, (index, target) in enumerate(timed):
        shade, marker = colour(index), MARKERS[index % len(MARKERS)]
        offset = 0.7 * ((place + 0.5) / len(timed) - 0.5)
        for row, label in enumerate(labels):
            measured = target.run.find(label, condition)
            if measured is None:
                continue
            trusted = judge(target.run, measured).word == "trusted"
            panel.plot(measured.p50_interval, [row + offset] * 2, color=shade, linewidth=1.2)
            face = shade if trusted else "none"
            panel.plot(measured.p50, row + offset, marker, color=shade, markerfacecolor=face, markersize=5.5)
    panel.set_title(condition.words, loc="left")
    panel.set_xscale("log")
    panel.margins(x=0.08)
    panel.autoscale_view(scaley=False)
    plain_log_ticks(panel.xaxis)


def _handle(index: int, target: NamedRun) -> Line2D:
    marker = MARKERS[index % len(MARKERS)]
    return Line2D(
        [], [], color=colour(index), marker=marker, markersize=5.5, linewidth=1.2, label=short(target.name, 40)
    )


def _alt(timed: Sequence[tuple[int, NamedRun]], condition: Condition) -> str:
    found = (f"{target.name}: " + ", ".join(
        f"{m.subject} {milliseconds(m.p50)} ms" for m in target.run.measurements if m.condition == condition
    ) for _, target in timed)  # fmt: skip
    return f"{condition.words}: {'; '.join(found)}"
