"""The picture of a suite: quality against bytes and against milliseconds, what is on the Pareto front filled.

Left out: the exact figures and intervals, which the table holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..report.picture import Picture, plain_log_ticks, short
from ..report.svg import INK, WIDTH, colour, drawing_style, figure_svg
from ..report.words import megabytes, milliseconds
from .cells import CellResult
from .result import Row, SuiteResult

MARKERS = "osD^vPX<>p"
Cost = Callable[[Row], float]


def front_picture(found: SuiteResult) -> Picture | None:
    """Two panels of one height, one where nothing was timed; None where no cell came to a value."""
    rows = [row for row in found.rows if row.value is not None]
    if not rows:
        return None
    costs: dict[str, Cost] = {"MB": lambda row: (row.bytes or 0) / 1e6}
    if all(row.ms is not None for row in rows):
        costs[f"ms ({found.condition})"] = lambda row: row.ms or 0
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 3.6 + 0.2 * -(-len(rows) // 4)), layout="constrained")
        panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
        for panel, (words, cost) in zip(panels, costs.items(), strict=True):
            _panel(panel, rows, cost, found)
            panel.set_xlabel(f"{words}, log scale")
        panels[0].set_ylabel(f"{found.metric} on {found.split} data")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
        svg = figure_svg(figure, "front")
    caption = (
        "Filled: on the Pareto front of quality, bytes and latency; nothing beats it in all. Small dots: single seeds."
        f" Ring: the baseline, {found.baseline}."
    )
    alt = "; ".join(_told(row) for row in rows)
    return Picture("front", "Quality against size and time", svg, caption, alt)


def _panel(panel: Axes, rows: Sequence[Row], cost: Cost, found: SuiteResult) -> None:
    for index, row in enumerate(rows):
        shade, mean = colour(index), row.value or 0
        singles = _singles(found.results, row)
        panel.plot([cost(row)] * len(singles), singles, linestyle="none", marker=".", markersize=4, color=shade)
        panel.plot(
            [cost(row)], [mean], linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=8, color=shade,
            markerfacecolor=shade if row.on_front else "none", label=short(row.cell, 24),
        )  # fmt: skip
        if row.cell == found.baseline:
            panel.plot([cost(row)], [mean], "o", markersize=15, markerfacecolor="none", color=INK, markeredgewidth=1)
    values = [cost(row) for row in rows]
    panel.set_xscale("log")
    panel.set_xlim(min(values) / 1.3, max(values) * 1.3)
    plain_log_ticks(panel.xaxis)
    panel.margins(y=0.12)
    panel.grid(True)


def _singles(results: Sequence[CellResult], row: Row) -> list[float]:
    return [result.figure.value for result in results if result.cell == row.cell and not result.error]


def _told(row: Row) -> str:
    time = "" if row.ms is None else f", {milliseconds(row.ms)} ms"
    return f"{row.cell}: {row.value or 0:.4f}, {megabytes(round(row.bytes or 0))} MB{time}"
