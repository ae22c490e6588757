"""Latency over the minutes of a run, with temperature and clock below it where the device shows them.

A panel a condition. Long runs are drawn as a few hundred stretches. Left out: cold starts, and the exact figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...benchmarks.measurement import Condition, Measurement
from ...benchmarks.results import Run
from ...benchmarks.sensors import between
from .picture import Picture, plain_log_ticks, short
from .svg import INK, WIDTH, colour, drawing_style, figure_svg
from .words import condition_order, milliseconds, sensor_words

Numbers = NDArray[np.float64]
SENSORS = {"temperature_c": ("°C", colour(4)), "clock_mhz": ("MHz", INK)}
"""Field of a reading -> its unit and colour."""
COLUMNS = 3
STRETCHES = 300
FEWEST_FOR_BAND = 4
"""Calls of a round, below which it has no 10th and 90th of a hundred to speak of."""
WIDE_RANGE = 3.0
"""Slowest by fastest, above which a log scale shows both."""
UNITS = ((180.0, "minutes", 60.0), (1.0, "seconds", 1.0), (0.0, "milliseconds", 1e-3))
"""Least length of a condition in seconds, the unit of its axis, and that in seconds."""


def has_times(run: Run) -> bool:
    """Whether any measurement knows when it was made."""
    return bool(_conditions(run))


def latency_over_time(run: Run, colours: Mapping[str, str]) -> Picture:
    """A line a file through the medians of its rounds, a band from the 10th to the 90th of a hundred calls."""
    conditions = _conditions(run)
    seen = [field for field in SENSORS if any(_readings(run, field, *_ends(run, c)) for c in conditions)]
    columns = 2 if len(conditions) == 4 else min(COLUMNS, len(conditions))
    lines = -(-len(conditions) // columns)
    heights = [1.7, *[0.75] * len(seen)]
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 0.5 + lines * (sum(heights) + 0.45)), layout="constrained")
        panels = figure.subplots(lines * len(heights), columns, squeeze=False, height_ratios=heights * lines)
        for index in range(lines * columns):
            line, column = divmod(index, columns)
            own = panels[line * len(heights) : (line + 1) * len(heights), column]
            if index < len(conditions):
                _draw(list(own), run, conditions[index], seen, colours, is_first=column == 0)
            for panel in own if index >= len(conditions) else ():
                panel.remove()
        drawn = dict.fromkeys(m.subject for condition in conditions for m in _timed(run, condition))
        handles = [Line2D([], [], color=colours[label], linewidth=1.6, label=short(label, 40)) for label in drawn]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
        svg = figure_svg(figure, "overtime")
    return Picture("over-time", "Latency over time", svg, _caption(seen), _alt(run, conditions))


def _caption(seen: Sequence[str]) -> str:
    caption = "A line: the median of each round. A band: the middle eight of ten calls."
    if not seen:
        return f"{caption} No sensor of temperature or clock was read meanwhile."
    return f"{caption} Below: the hottest zone, and the slowest core's clock, as far as the device shows them."


def _alt(run: Run, conditions: Sequence[Condition]) -> str:
    spans = []
    for measured in (m for condition in conditions for m in _timed(run, condition)):
        medians = np.median(measured.blocks, axis=1)
        low, high = milliseconds(float(medians.min())), milliseconds(float(medians.max()))
        spans.append(f"{measured.subject}, {measured.condition.words}: {low} to {high} ms")
    return f"{'; '.join(spans)}; {sensor_words(run.sensors)}"


def _draw(
    panels: Sequence[Axes], run: Run, condition: Condition, seen: Sequence[str], colours: Mapping[str, str],
    is_first: bool,
) -> None:  # fmt: skip
    """One condition: latency in the first panel, a sensor in each of the others."""
    first, last = _ends(run, condition)
    unit, length = next((unit, length) for least, unit, length in UNITS if last - first >= least)
    for measured in _timed(run, condition):
        _latency_line(panels[0], measured, first, length, colours[measured.subject])
    _latency_scale(panels[0])
    panels[0].set_title(condition.words, loc="left")
    for panel, field in zip(panels[1:], seen, strict=True):
        _sensor_line(panel, run, field, (first, last), length)
    for panel, name in zip(panels, ("ms", *(SENSORS[field][0] for field in seen)), strict=True):
        panel.set_xlim(0, max((last - first) / length, 1e-3))
        panel.xaxis.set_major_locator(MaxNLocator(nbins=4))
        panel.tick_params(axis="x", labelbottom=panel is panels[-1])
        panel.grid(True)
        if is_first:
            panel.set_ylabel(name)
    panels[-1].set_xlabel(unit)


def _latency_line(panel: Axes, measured: Measurement, first: float, length: float, shade: str) -> None:
    places, medians, lows, highs = [], [], [], []
    for part in np.array_split(np.arange(measured.rounds), min(measured.rounds, STRETCHES)):
        calls = measured.blocks[part].reshape(-1)
        low, middle, high = np.percentile(calls, (10, 50, 90))
        places.append((measured.starts[part[0]] - first) / length)
        medians.append(float(middle))
        lows.append(float(low))
        highs.append(float(high))
    if len(measured.samples_ms) // len(places) >= FEWEST_FOR_BAND:
        panel.fill_between(places, lows, highs, color=shade, alpha=0.2, linewidth=0)
    panel.plot(places, medians, color=shade, linewidth=1.3)


def _latency_scale(panel: Axes) -> None:
    """Log where files are far apart, else linear; a little air, so that noise of a per cent does not fill the panel."""
    low, high = panel.dataLim.y0, panel.dataLim.y1
    if high / low > WIDE_RANGE:
        panel.set_yscale("log")
        panel.set_ylim(low / 1.15, high * 1.15)
        plain_log_ticks(panel.yaxis)
    else:
        air = max(0.1 * (high - low), 0.05 * high)
        panel.set_ylim(low - air, high + air)
        panel.yaxis.set_major_locator(MaxNLocator(nbins=4))


def _sensor_line(panel: Axes, run: Run, field: str, span: tuple[float, float], length: float) -> None:
    """The readings from `span[0]` to `span[1]`, on the scale of the whole run's, alike in all panels."""
    log = _readings(run, field, *span)
    panel.plot([(at - span[0]) / length for at, _ in log], [value for _, value in log], color=SENSORS[field][1])
    if len(log) == 1:  # which makes no line, and may lie just outside
        panel.axhline(log[0][1], color=SENSORS[field][1])
    values = [value for _, value in _readings(run, field)]
    air = max(0.1 * (max(values) - min(values)), 0.05 * max(values))
    panel.set_ylim(min(values) - air, max(values) + air)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=3))


def _conditions(run: Run) -> list[Condition]:
    """Those that took longer than the clock's millisecond."""
    found = {m.condition for m in run.measurements if m.starts and m.condition.kind not in ("cold", "import")}
    return sorted((condition for condition in found if _span(run, condition) > 0), key=condition_order)


def _span(run: Run, condition: Condition) -> float:
    first, last = _ends(run, condition)
    return last - first


def _ends(run: Run, condition: Condition) -> tuple[float, float]:
    """Seconds since 1970 of its first and of its last round."""
    timed = _timed(run, condition)
    return min(m.starts[0] for m in timed), max(m.starts[-1] for m in timed)


def _readings(run: Run, field: str, first: float = -math.inf, last: float = math.inf) -> list[tuple[float, float]]:
    """Time and value, where the device shows it."""
    readings = between(run.sensors, first, last)
    return [(r.at, getattr(r, field)) for r in readings if getattr(r, field) is not None]


def _timed(run: Run, condition: Condition) -> list[Measurement]:
    return [m for m in run.measurements if m.condition == condition and m.starts]
