"""The report's pictures. Each function draws one and says in a caption how to read it.

The colour of a model is the same in all of them; stages and operators take the other end of the palette. Left out: the
exact figures, which the tables hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...benchmarks.measurement import Condition, Measurement
from ...benchmarks.results import Run
from .device_figures import device_pictures
from .model import ModelRow, Report
from .picture import Picture, bar_axes, plain_log_ticks, short
from .pruning import survivors_svg
from .svg import INK, WIDTH, colour, drawing_style, figure_svg
from .time_figure import has_times, latency_over_time
from .words import condition_order, headline_condition, milliseconds, plural

TOP_OPERATORS = 6
REMAINDER = "#b8bec4"
WARM = ("warm", "window", "text", "stream")
STAGES = ("tokenizer", "engine", "rest of predict")


def pictures(report: Report) -> tuple[Picture, ...]:
    """All pictures that there are values for."""
    made: list[Picture] = []
    with drawing_style():
        if report.models:
            made.append(quality_against_size(report))
        if report.run is not None:
            made += run_pictures(report.run, _colours(report))
            if report.run.wrapper:
                made.append(inside_one_prediction(report.run))
            if report.run.profiles:
                made.append(operators(report.run))
        if report.cuts:
            made.append(survivors(report))
        if any(curve.points for curve in report.curves):
            made.append(training_curves(report))
    return tuple(made)


def run_pictures(run: Run, colours: Mapping[str, str]) -> list[Picture]:
    """Latency and its course, memory and cold starts, as far as they were measured."""
    made = [latency_distributions(run, colours)] if run.conditions(*WARM) else []
    return made + course_and_memory(run, colours)


def course_and_memory(run: Run, colours: Mapping[str, str]) -> list[Picture]:
    """The same without the distributions."""
    return ([latency_over_time(run, colours)] if has_times(run) else []) + device_pictures(run)


def quality_against_size(report: Report) -> Picture:
    """A bubble a model: megabytes to the right, quality up, slower is larger."""
    figure = Figure(figsize=(WIDTH, 3.9))
    axes = figure.add_axes((0.085, 0.13, 0.56, 0.82))
    rows = sorted(report.models, key=lambda row: row.value)
    colours = _colours(report)
    for row in rows:
        interval = [[row.value - row.low], [row.high - row.value]]
        x, shade = row.bytes / 1e6, colours[row.label]
        axes.errorbar(x, row.value, yerr=interval, color=shade, linewidth=1.2, capsize=3, alpha=0.75)
        axes.scatter(x, row.value, s=_bubble(report, row), color=shade, alpha=0.8, linewidths=0)
    axes.set_xscale("log")
    axes.set_xlim(min(r.bytes for r in rows) / 1e6 / 1.6, max(r.bytes for r in rows) / 1e6 * 1.6)
    plain_log_ticks(axes.xaxis)
    axes.set_xlabel("MB on disk (log scale)")
    axes.set_ylabel(f"{rows[0].metric} on {rows[0].split} text")
    axes.grid(True)
    low, high = axes.get_ylim()
    heights = _spread([(row.value - low) / (high - low) for row in rows], gap=0.09)
    for row, height in zip(rows, heights, strict=True):
        axes.annotate(
            short(row.label, 36), xy=(row.bytes / 1e6, row.value), xytext=(1.06, height), textcoords="axes fraction",
            va="center",
            arrowprops={
                "arrowstyle": "-", "color": colours[row.label], "linewidth": 0.8, "relpos": (0, 0.5), "shrinkB": 4,
            },
        )  # fmt: skip
    caption = "Bars are 95% intervals."
    if report.run is not None:
        caption += f" A bubble's area is the median latency at {headline_condition(report.run).words}."
    return Picture("models", "Quality against size", figure_svg(figure, "quality"), caption)


def latency_distributions(run: Run, colours: Mapping[str, str]) -> Picture:
    """One panel a condition: the middle half of the samples as a bar, 1% to 99% as a line, the median as a tick."""
    conditions = sorted(run.conditions(*WARM), key=condition_order)
    labels = [facts.label for facts in run.subjects]
    columns = len({condition.threads for condition in conditions})
    lines = -(-len(conditions) // columns)
    with drawing_style():
        figure = Figure(figsize=(WIDTH, lines * (0.75 + 0.24 * len(labels))), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for panel, condition in zip(panels.flat, conditions, strict=False):
            _latency_panel(panel, run, condition, colours)
        for panel in panels.flat[len(conditions) :]:  # a partial run lacks some
            panel.set_axis_off()
        for panel in panels[-1]:
            panel.set_xlabel("ms (log scale)")
        svg = figure_svg(figure, "latency")
    caption = "Tick and figure: median. Bar: the middle half. Line: from the 1st to the 99th of a hundred calls."
    alt = "; ".join(f"{m.subject}, {m.condition.words}: {milliseconds(m.p50)} ms" for m in _warm(run))
    return Picture("latency", "Latency distributions", svg, caption, alt)


def _latency_panel(panel: Axes, run: Run, condition: Condition, colours: Mapping[str, str]) -> None:
    labels = [facts.label for facts in run.subjects]
    for row, label in enumerate(labels):
        measured = run.find(label, condition)
        if measured is None:
            continue
        first, quarter, middle, three, last = (measured.percentile(p) for p in (1, 25, 50, 75, 99))
        panel.plot([first, last], [row, row], color=colours[label], linewidth=1.2)
        panel.barh(row, three - quarter, left=quarter, height=0.5, color=colours[label], alpha=0.75)
        panel.plot([middle, middle], [row - 0.34, row + 0.34], color=INK, linewidth=1.4)
        panel.annotate(
            milliseconds(middle), (last, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
        )
    panel.set_title(condition.words, loc="left")
    panel.set_xscale("log")
    low, high = _range(_warm(run))
    panel.set_xlim(low / 1.15, high * max(1.9, (high / low) ** 0.2))  # room for the figure beside the slowest
    plain_log_ticks(panel.xaxis)
    panel.set_yticks(range(len(labels)), [short(label, 28) for label in labels])
    panel.set_ylim(len(labels) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.grid(True, axis="x")


def inside_one_prediction(run: Run) -> Picture:
    """Stacked bars: tokenizer, engine, the rest of predict."""
    figure = Figure(figsize=(WIDTH, 1.15 + 0.3 * len(run.wrapper)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(run.wrapper))
    parts = np.array([[c.tokenize_ms, c.engine_ms, max(c.rest_ms, 0.0)] for c in run.wrapper])
    for s, stage in enumerate(STAGES):
        axes.barh(range(len(left)), parts[:, s], left=left, height=0.6, label=stage, color=colour(-1 - s))
        left = left + parts[:, s]
    for row, cost in enumerate(run.wrapper):
        words = f"{milliseconds(cost.predict_ms)} ms"
        axes.annotate(words, (left[row], row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)
    bar_axes(axes, [cost.subject for cost in run.wrapper])
    axes.set_xlim(0, float(left.max()) * 1.14)
    axes.set_xlabel(f"ms for one real text, {plural(run.wrapper[0].threads, 'thread')}")
    figure.legend(loc="outside upper left", ncols=len(STAGES))
    caption = "Medians over single validation texts in their real lengths."
    return Picture("wrapper", "Inside one prediction", figure_svg(figure, "inside"), caption)


def operators(run: Run) -> Picture:
    """Stacked bars: the share of each kind of operator in every ONNX file."""
    totals: dict[str, float] = {}
    for profile in run.profiles:
        for op in profile.ops:
            totals[op.op] = totals.get(op.op, 0.0) + op.share
    names = [*sorted(totals, key=lambda name: -totals[name])[:TOP_OPERATORS], "all others"]
    figure = Figure(figsize=(WIDTH, 1.5 + 0.3 * len(run.profiles)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(run.profiles))
    for s, name in enumerate(names):
        shares = np.array([_op_share({op.op: op.share for op in p.ops}, name, names) for p in run.profiles])
        shade = colour(-1 - s) if name != "all others" else REMAINDER
        axes.barh(range(len(left)), shares * 100, left=left, height=0.6, label=short(name, 28), color=shade)
        left = left + shares * 100
    bar_axes(axes, [profile.subject for profile in run.profiles])
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"% of the operators' time at {run.profiles[0].sequence_length} tokens")
    figure.legend(loc="outside upper left", ncols=4)
    caption = "ONNX files, by ONNX Runtime's profiler."
    return Picture("operators", "Where the engine's time goes", figure_svg(figure, "ops"), caption)


def survivors(report: Report) -> Picture:
    """Which heads and how many neurons of each layer the last round left."""
    caption = "Of the model as it was before the last round. Empty: cut."
    return Picture("survivors", "What survived the cut", survivors_svg(report.cuts), caption)


def training_curves(report: Report) -> Picture:
    """The validation metric over the steps, a panel a phase."""
    curves = [curve for curve in report.curves if curve.points]
    figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for i, (panel, curve) in enumerate(zip(panels, curves, strict=True)):
        steps, metrics = [p.step for p in curve.points], [p.metric for p in curve.points]
        panel.plot(steps, metrics, color=colour(i), marker="o", markersize=3.5, linewidth=1.4)
        panel.set_title(short(curve.label, 60 // len(curves)), loc="left")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        panel.set_xlabel("steps")
        panel.grid(True)
    panels[0].set_ylabel("validation metric")
    return Picture("curves", "Training", figure_svg(figure, "training"), "The best point of each phase was kept.")


def _bubble(report: Report, row: ModelRow) -> float:
    """Area in square points; the slowest model has 700."""
    if report.run is None:
        return 60.0
    condition = headline_condition(report.run)
    found = {m.subject: m.p50 for m in report.run.measurements if m.condition == condition}
    return 700 * found[row.label] / max(found.values()) if row.label in found else 40.0


def _op_share(shares: dict[str, float], name: str, names: Sequence[str]) -> float:
    if name == "all others":
        return sum(share for op, share in shares.items() if op not in names)
    return shares.get(name, 0.0)


def _warm(run: Run) -> list[Measurement]:
    return [m for m in run.measurements if m.condition.kind in WARM]


def _range(measurements: Sequence[Measurement]) -> tuple[float, float]:
    return min(m.percentile(1) for m in measurements), max(m.percentile(99) for m in measurements)


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights (0..1) moved apart to at least `gap`, around where they were and inside the picture."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    centred = sum(placed) / len(placed) - sum(heights) / len(heights)
    shift = min(max(centred, placed[-1] - 0.98), max(0.0, placed[0] - 0.02))
    return [height - shift for height in placed]


def _colours(report: Report) -> dict[str, str]:
    labels = [row.label for row in report.models]
    labels += [facts.label for facts in report.run.subjects] if report.run is not None else []
    return {label: colour(i) for i, label in enumerate(dict.fromkeys(labels))}
