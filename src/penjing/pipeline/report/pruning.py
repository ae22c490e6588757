"""What a report shows of pruning: asked, predicted and got; the plan's rows; what zeros buy; what survived where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...compress.prune.make_plan import LATENCY
from ...compress.prune.sparse_bytes import CodedSize
from ...compress.prune.table import COLUMNS
from .model import CutRound
from .svg import LINE, WIDTH, colour, figure_svg
from .words import DASH, megabytes, milliseconds

UNITS = {
    "parameters": "parameters", "non_embedding": "without embeddings", "macs": "MACs", "bytes": "bytes (int8 ONNX)",
    "latency_ms": "ms",
}  # fmt: skip


def budget_rows(cuts: Sequence[CutRound]) -> Iterator[tuple[str, ...]]:
    """One row a cost of every round: before, asked, predicted, got."""
    for number, cut in enumerate(cuts, 1):
        for field, words in UNITS.items():
            if field in cut.predicted:
                show = milliseconds if field == LATENCY else _count
                asked = show(cut.asked) if field == cut.field else DASH
                before, predicted, got = (show(costs.get(field)) for costs in (cut.before, cut.predicted, cut.got))
                words = f"{words} ({cut.precision} ONNX)" if field == LATENCY else words
                yield str(number), words, before, asked, predicted, got


def plan_table_rows(cuts: Sequence[CutRound]) -> Iterator[tuple[str, ...]]:
    """The rows of every round's plan, the round in front."""
    for number, cut in enumerate(cuts, 1):
        for i, row in enumerate(cut.rows):
            yield "" if i else str(number), *(cell or DASH for cell in row)


def plan_columns() -> tuple[str, ...]:
    """Headers of `plan_table_rows`."""
    return ("Round", *(column[0].upper() + column[1:] for column in COLUMNS))


def sparsity_rows(coded: Sequence[CodedSize]) -> Iterator[tuple[str, ...]]:
    """One row a precision: weights, zeros, megabytes as dense arrays and entropy coded."""
    for size in coded:
        share = f"{size.zeros / size.entries:.1%}"
        yield size.precision, f"{size.entries:,}", share, megabytes(size.dense), megabytes(size.coded)


def survivors_svg(cuts: Sequence[CutRound]) -> str:
    """A line a layer, a square a head, filled where it stays; beside it a bar of the neurons that stay."""
    last = cuts[-1]
    count = len(last.layers)
    figure = Figure(figsize=(WIDTH, 1.0 + 0.36 * count), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _heads(left, last)
    _neurons(right, last)
    for axes in (left, right):
        axes.set_yticks(range(count), [f"layer {index}" for index in last.layers])
        axes.set_ylim(count - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
    return figure_svg(figure, "survivors")


def _heads(axes: Axes, cut: CutRound) -> None:
    for row, layer in enumerate(cut.heads):
        for head, stays in enumerate(layer):
            style: dict[str, Any] = {"color": colour(0)} if stays else {"facecolor": "none", "edgecolor": LINE}
            axes.scatter(head, row, marker="s", s=90, linewidths=0.8, **style)
    axes.set_title("heads that stay", loc="left")
    most = max(map(len, cut.heads))
    axes.set_xlim(-0.7, most - 0.3)
    axes.set_xticks(range(most))
    axes.set_xlabel("head")


def _neurons(axes: Axes, cut: CutRound) -> None:
    for row, (stays, of) in enumerate(cut.neurons):
        axes.barh(row, of, height=0.6, facecolor="none", edgecolor=LINE)
        axes.barh(row, stays, height=0.6, color=colour(1))
        axes.annotate(f"{stays:,}", (stays, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_title("neurons that stay", loc="left")
    axes.set_xlim(0, max(of for _, of in cut.neurons) * 1.08)


def _count(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"
