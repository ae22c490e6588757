"""Stacked and single bars of what one run found: memory by cause, phases of a cold start, time by operator.

Left out: latency (`figures.py`, `time_figure.py`), and the exact figures, which the tables hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ...benchmarks.memory_use import CAUSES, MemoryPart, MemoryUse, memory_parts
from ...benchmarks.op_profile import OpProfile
from ...benchmarks.results import Run
from .device_tables import memory_total, middle_start, split_phases, untold_words
from .picture import Picture, bar_axes, short
from .svg import INK, WIDTH, colour, drawing_style, figure_svg
from .words import milliseconds, plural

TOP_OPERATORS = 6
NOT_SPLIT = "#b8bec4"
HATCH = "////"
SPLIT_CAPTION = (
    " Solid: private dirty, the process's own. Hatched: mapped file pages, which the system may drop and read again."
    " The figure is all of the bar; the tick is the peak of the resident set. What a cause gave back stands to the left"
    " of zero."
)
BAR = 0.6


def device_pictures(run: Run) -> list[Picture]:
    """Those there are values for: memory and cold starts."""
    made = [memory_bars(run)] if any(use.stage("peak").peak_mb is not None for use in run.memory) else []
    return made + ([cold_split_bars(run)] if run.cold_splits else [])


def memory_bars(run: Run) -> Picture:
    """A bar a file: each cause's private dirty memory solid, its mapped file pages hatched; a tick at the peak."""
    ends = [0.0]
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 1.6 + 0.36 * len(run.memory)), layout="constrained")
        axes = figure.subplots()
        for row, use in enumerate(run.memory):
            ends.append(_memory_bar(axes, row, use))
        bar_axes(axes, [use.subject for use in run.memory])
        axes.set_xlim(min(0.0, axes.get_xlim()[0]), max(ends) * 1.27)  # room for the words beside the longest bar
        axes.set_xlabel("MB")
        _memory_legend(figure, run)
        svg = figure_svg(figure, "memory")
    split = any(memory_parts(use) for use in run.memory)
    caption = "After many inferences, medians of fresh processes." + (SPLIT_CAPTION if split else "")
    alt = "; ".join(f"{use.subject} {_memory_words(use)}" for use in run.memory)
    return Picture("memory", "Memory by cause", svg, caption, alt)


def _memory_bar(axes: Axes, row: int, use: MemoryUse) -> float:
    """Draws one bar and says where it ends."""
    parts, peak = memory_parts(use), use.stage("peak").peak_mb
    if not parts and peak is not None:
        axes.barh(row, peak, height=BAR, color=NOT_SPLIT)
    right, left = 0.0, 0.0
    for shade, part in zip(_shades(len(CAUSES)), parts, strict=False):
        for mb, look in _looks(part, shade):
            start = right if mb >= 0 else left
            axes.barh(row, mb, left=start, height=BAR, **look)
            right, left = (right + mb, left) if mb >= 0 else (right, left + mb)
    end = max(right, peak or 0.0)
    if parts and peak is not None:
        axes.plot([peak, peak], [row - 0.4, row + 0.4], color=INK, linewidth=1.4)
    axes.annotate(
        _memory_words(use), (end, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
    )  # fmt: skip
    return end


def _looks(part: MemoryPart, shade: str) -> tuple[tuple[float, dict[str, Any]], ...]:
    return (
        (part.private_dirty_mb, {"color": shade, "linewidth": 0}),
        (part.mapped_file_mb, {"facecolor": "none", "edgecolor": shade, "hatch": HATCH, "linewidth": 0.8}),
    )


def _memory_words(use: MemoryUse) -> str:
    total, peak = memory_total(use), use.stage("peak").peak_mb
    if total is None:
        return "unknown" if peak is None else f"peak {peak:.0f} MB"
    return f"{total:.0f} MB" + ("" if peak is None else f", peak {peak:.0f}")


def _memory_legend(figure: Figure, run: Run) -> None:
    split = [bool(memory_parts(use)) for use in run.memory]
    handles = []
    if any(split):
        handles = [Patch(color=shade, label=cause) for shade, cause in zip(_shades(len(CAUSES)), CAUSES, strict=True)]
        handles += [
            Patch(facecolor=INK, label="private dirty"),
            Patch(facecolor="none", edgecolor=INK, hatch=HATCH, linewidth=0.8, label="mapped file pages"),
        ]
    handles += [] if all(split) else [Patch(facecolor=NOT_SPLIT, label="not split: only the peak is told")]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)


def cold_split_bars(run: Run) -> Picture:
    """A bar a file: the phases from the start of a process to its first answer."""
    splits, phases = run.cold_splits, split_phases(run)
    left = np.zeros(len(splits))
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 1.2 + 0.3 * len(splits)), layout="constrained")
        axes = figure.subplots()
        for shade, phase in zip(_shades(len(phases)), phases, strict=True):
            times = np.array([split.medians.get(phase, 0.0) for split in splits])
            axes.barh(range(len(splits)), times, left=left, height=BAR, label=phase, color=shade)
            left = left + times
        words = [f"{milliseconds(middle_start(split))} ms" for split in splits]
        for row, text in enumerate(words):
            axes.annotate(
                text, (left[row], row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
            )  # fmt: skip
        bar_axes(axes, [split.subject for split in splits])
        axes.set_xlim(0, float(left.max()) * 1.14)
        axes.set_xlabel(f"ms to the first answer, {plural(splits[0].threads, 'thread')}")
        figure.legend(loc="outside upper left", ncols=len(phases))
        svg = figure_svg(figure, "coldsplit")
    alt = "; ".join(f"{split.subject} {text}" for split, text in zip(splits, words, strict=True))
    caption = f"Medians of {plural(len(splits[0].totals), 'start')}, files in the system's cache.{untold_words(phases)}"
    return Picture("cold-split", "Where a cold start's time goes", svg, caption, alt)


def operator_bars(run: Run, colours: Mapping[str, str]) -> Picture:
    """A panel a file: the slowest kinds of operator, and all others in one bar."""
    profiles = run.profiles
    lines = -(-len(profiles) // 2)
    with drawing_style():
        figure = Figure(figsize=(WIDTH, lines * 2.3), layout="constrained")
        panels = figure.subplots(lines, 2, squeeze=False)
        for panel in panels.flat[len(profiles) :]:
            panel.remove()
        for panel, profile in zip(panels.flat, profiles, strict=False):
            _operator_panel(panel, profile, colours[profile.subject])
        svg = figure_svg(figure, "opbars")
    alt = "; ".join(f"{p.subject}: {p.ops[0].op} {p.ops[0].share:.0%}" for p in profiles if p.ops)
    caption = (
        f"One inference at length {profiles[0].sequence_length:,} by ONNX Runtime's profiler, which slows small"
        " operators: read the shares, not the sum. Every panel has a scale of its own."
    )
    return Picture("operator-bars", "Time by operator", svg, caption, alt)


def _operator_panel(panel: Axes, profile: OpProfile, shade: str) -> None:
    top, rest = profile.ops[:TOP_OPERATORS], profile.ops[TOP_OPERATORS:]
    rows = [(op.op, op.ms, op.share) for op in top]
    rows += [("all others", sum(op.ms for op in rest), sum(op.share for op in rest))] if rest else []
    for row, (_, ms, share) in enumerate(rows):
        panel.barh(row, ms, height=0.65, color=shade if row < len(top) else NOT_SPLIT)
        words = f"{milliseconds(ms)} ({share:.0%})"
        panel.annotate(words, (ms, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    bar_axes(panel, [short(name, 20) for name, _, _ in rows])
    panel.set_xlim(0, max((ms for _, ms, _ in rows), default=1.0) * 1.35)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=4))
    panel.set_xlabel("ms")
    panel.set_title(short(profile.subject, 40), loc="left")


def _shades(count: int) -> Sequence[str]:
    """From the end of the palette that no model has."""
    return [colour(-1 - i) for i in range(count)]
