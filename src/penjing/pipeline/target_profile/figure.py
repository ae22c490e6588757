"""The predictor's picture: predicted against measured, a panel for each unit, the band of 10% in grey.

Left out: the exact figures, which the JSON beside it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..report.picture import plain_log_ticks
from ..report.svg import INK, LINE, WIDTH, colour, drawing_style, figure_svg
from .fit import NEAR

Points = Mapping[str, Sequence[tuple[float, float]]]
"""By kind, such as "onnx int8": pairs of what was measured and what was predicted."""
MARKERS = ("o", "s", "^", "D")


def predicted_against_measured(panels: Mapping[str, Points]) -> str:
    """An <svg> element; `panels` by title, which says the unit."""
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        drawn = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, points) in zip(drawn, panels.items(), strict=True):
            _panel(axes, title, points)
        handles, labels = drawn[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
        return figure_svg(figure, "predictor")


def _panel(axes: Axes, title: str, points: Points) -> None:
    values = np.array([pair for pairs in points.values() for pair in pairs])
    ends = np.array([values.min() / 1.3, values.max() * 1.3])
    axes.fill_between(ends, ends * (1 - NEAR), ends * (1 + NEAR), color=LINE, alpha=0.8, linewidth=0)
    axes.plot(ends, ends, color=INK, linewidth=0.8)
    for i, (kind, pairs) in enumerate(sorted(points.items())):
        measured, predicted = zip(*pairs, strict=True)
        marker = MARKERS[i % len(MARKERS)]
        axes.scatter(measured, predicted, s=14, marker=marker, color=colour(i), alpha=0.8, linewidth=0, label=kind)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    for axis in (axes.xaxis, axes.yaxis):
        plain_log_ticks(axis)
    axes.set_title(title, loc="left")
    axes.set_xlabel("measured")
    axes.set_ylabel("predicted")
    axes.grid(True)
