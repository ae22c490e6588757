"""The picture of compared cuts: quality against parameters, bytes and milliseconds, a line a method.

Left out: the exact figures and fp32 times, which the table holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .comparison import ComparedModel, CutComparison
from .picture import Picture
from .svg import INK, WIDTH, colour, drawing_style, figure_svg

MARKERS, REFERENCES = "os^v", "*D"
Cost = Callable[[ComparedModel], float]


@dataclass(frozen=True)
class _Line:
    """The models of one method, and how they are drawn."""

    label: str
    models: tuple[ComparedModel, ...]
    style: dict[str, Any]


def cuts_picture(found: CutComparison) -> Picture:
    """Three panels of one height; quality, bytes and time are those of the int8 file, so that they go together."""
    costs: dict[str, Cost] = {
        "million parameters": lambda model: model.parameters / 1e6,
        "MB (int8 ONNX)": lambda model: model.bytes / 1e6,
        f"ms at {found.sequence_length} tokens (int8 ONNX)": lambda model: found.times.of(model.label, "int8").p50,
    }
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        panels = figure.subplots(1, len(costs), sharey=True)
        for panel, (words, cost) in zip(panels, costs.items(), strict=True):
            _panel(panel, found, cost)
            panel.set_xlabel(words)
        panels[0].set_ylabel("accuracy of the int8 file")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
        svg = figure_svg(figure, "cuts")
    methods = ", ".join(dict.fromkeys(model.method for model in found.models if model.method))
    n = found.models[0].accuracy_int8.n
    caption = f"{n:,} validation texts; bars are 95% intervals. Along a line the rate falls from left to right."
    return Picture("cuts", f"Quality against size and time, cut by {methods}", svg, caption)


def _panel(panel: Axes, found: CutComparison, cost: Cost) -> None:
    for line in _lines(found.models):
        points = sorted(line.models, key=cost)
        shares = [model.accuracy_int8 for model in points]
        bars = [[s.value - s.low for s in shares], [s.high - s.value for s in shares]]
        panel.errorbar(
            [cost(model) for model in points], [s.value for s in shares], yerr=bars, label=line.label, elinewidth=0.7,
            capsize=2, **line.style,
        )  # fmt: skip
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5))
    panel.margins(x=0.1)
    panel.grid(True)


def _lines(models: Sequence[ComparedModel]) -> list[_Line]:
    """Uncut models are single points in ink. What only was cut is dashed and hollow beside what recovered too."""
    uncut = [model for model in models if model.method is None]
    lines = [
        _Line(model.label, (model,), {"color": INK, "marker": marker, "markersize": 8, "linestyle": "none"})
        for model, marker in zip(uncut, REFERENCES, strict=False)
    ]
    both = any(model.recovered for model in models)
    for index, method in enumerate(dict.fromkeys(model.method for model in models if model.method)):
        for recovered in (False, True) if both else (False,):
            line = tuple(m for m in models if (m.method, m.recovered) == (method, recovered))
            hollow = {"linestyle": "--", "markerfacecolor": "none"} if both and not recovered else {}
            marked = {"color": colour(index), "marker": MARKERS[index % len(MARKERS)], "markersize": 5}
            style = {**marked, "linewidth": 1.4, **hollow}
            lines.append(_Line(f"{method}, recovered" if recovered else method, line, style))
    return lines
