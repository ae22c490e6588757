"""The lottery's picture: quality against sparsity, tickets as lines, controls as dashes, the dense model as a band.

Left out: the exact figures, which the JSON beside it holds.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from ...compress.prune.lottery_curve import CONTROLS, TICKETS, Curve, winning_sparsity
from .picture import Picture
from .svg import INK, LINE, WIDTH, colour, drawing_style, figure_svg

WORDS = {
    "ticket": "ticket, rewound to the start",
    "early_ticket": "ticket, rewound to an early step",
    "rate_ticket": "ticket, learning rate rewound",
    "transferred_mask": "mask from another task",
    "longer_dense": "dense, learning rate rewound as often",
    "random_mask": "random mask",
    "random_weights": "ticket's mask, random weights",
    "shuffled_weights": "ticket's mask, shuffled weights",
}
COLOURS = {kind: colour(i) for i, kind in enumerate(("ticket", "random_mask", "early_ticket", "rate_ticket"))} | {
    "random_weights": colour(4), "shuffled_weights": colour(6), "transferred_mask": colour(7),
    "longer_dense": colour(5),
}  # fmt: skip
REMAINING = (100, 50, 20, 10, 5, 2, 1)
"""Ticks, in per cent of the weights, where they are on a log scale."""
MUCH_IS_GONE = 0.85
"""From this sparsity on the axis is a log scale of what remains, as the papers draw it."""


def quality_against_sparsity(curve: Curve, title: str) -> Picture:
    """Means over the seeds with bars of one standard deviation; the band is the dense mean and deviation."""
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        _dense_band(axes, curve)
        for kind in WORDS:
            _line(axes, curve, kind)
        _winners(axes, curve)
        _axes(axes, curve)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
        figure.legend(loc="outside lower left", ncols=3)
        svg = figure_svg(figure, "lottery")
    seeds = len(curve.scores("dense", 0.0))
    caption = (
        f"Means of {seeds} seeds; bars and the grey band are one standard deviation. Rings: the sparsest that win."
    )
    return Picture("lottery", title, svg, caption)


def standalone_svg(svg: str) -> str:
    """The <svg> element of a page as a file of its own, in dark or light ink, as the reader has it."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    style = (
        "<style>:root { color: #1d2226; --line: #d9dde0; } @media (prefers-color-scheme: dark)"
        " { :root { color: #e4e7e9; --line: #454c53; } }</style>"
    )
    opening, rest = svg.removeprefix("<svg").split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{opening}>{style}{rest}'


def _dense_band(axes: Axes, curve: Curve) -> None:
    mean, deviation = curve.mean("dense", 0.0), curve.deviation("dense", 0.0)
    axes.axhspan(mean - deviation, mean + deviation, color=LINE, alpha=0.8, linewidth=0)
    axes.axhline(mean, color=INK, linewidth=0.9, label="dense")


def _line(axes: Axes, curve: Curve, kind: str) -> None:
    sparsities = curve.sparsities(kind)
    if not sparsities:
        return
    means = [curve.mean(kind, s) for s in sparsities]
    deviations = [curve.deviation(kind, s) for s in sparsities]
    axes.errorbar(
        sparsities, means, yerr=deviations, color=COLOURS[kind], label=WORDS[kind],
        linestyle="--" if kind in CONTROLS else "-", linewidth=2.0 if kind == TICKETS[0] else 1.3,
        marker="o", markersize=3.5, capsize=2, elinewidth=0.8,
    )  # fmt: skip


def _winners(axes: Axes, curve: Curve) -> None:
    """The sparsest winning ticket of each way to rewind."""
    for kind in TICKETS:
        won = winning_sparsity(curve, kind)
        if won is None:
            continue
        mean, sparsities, shade = curve.mean(kind, won), curve.sparsities(kind), COLOURS[kind]
        axes.plot([won], [mean], marker="o", markersize=12, markerfacecolor="none", markeredgecolor=shade)
        side = "left" if won == sparsities[0] else "right" if won == sparsities[-1] else "center"
        place, level = ((0, 10), "bottom") if kind != TICKETS[0] else ((0, -10), "top")
        axes.annotate(
            f"{won:.1%}", (won, mean), xytext=place, textcoords="offset points", ha=side, va=level, color=shade
        )


def _axes(axes: Axes, curve: Curve) -> None:
    axes.set_ylabel(f"{curve.metric} on held-out data")
    axes.grid(True)
    highest = max(curve.sparsities("ticket"))
    if highest > MUCH_IS_GONE:
        axes.set_xscale("function", functions=(_nines, _share))
        axes.xaxis.set_major_locator(FixedLocator([1 - r / 100 for r in REMAINING if 1 - r / 100 <= highest]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.set_xlabel("sparsity of the prunable weights")


def _nines(sparsity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equal steps for equal factors of what remains."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.log10(1 - sparsity)


def _share(nines: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - np.power(10.0, -nines)
