"""A detector's pictures: a series with scores, threshold and alarms; score histograms; precision against recall.

A detector has the same colour in all of them. Long series are drawn as the lowest and the highest value of each of a
few hundred stretches, so that no peak is lost and the page stays small. Left out: exact figures, which tables hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve

from ...benchmarks.detection import runs
from .picture import Picture, plain_log_ticks
from .svg import INK, WIDTH, colour, drawing_style, figure_svg

Numbers = NDArray[np.float64]
Marks = NDArray[np.bool_]

STRETCHES = 600
BINS = 40
POINTS = 200
"""Of a precision-recall line."""
MOST_ALARMS = 200
NORMAL, ANOMALOUS = colour(0), colour(1)
_HEAVY_TAIL = 10
"""Times the median that scores reach before a log scale shows them better."""


@dataclass(frozen=True)
class ScoredSeries:
    """`scores` [n] of a series, `alarms` [n] that were raised, and its `threshold`. `values` [n] is the channel to show
    above them, `channel` its name. `labels` [n] marks anomalies, `times` [n] is in seconds; either may be unknown."""

    scores: Numbers
    alarms: Marks
    threshold: float
    values: Numbers
    channel: str
    labels: Marks | None = None
    times: Numbers | None = None


def series_picture(series: ScoredSeries, title: str) -> Picture:
    """The channel above, the scores below; labelled anomalies are shaded, alarms are triangles."""
    place, words = _places(series)
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
        for panel, values, shade in ((upper, series.values, NORMAL), (lower, series.scores, INK)):
            panel.plot(*_stretches(place, values), color=shade, linewidth=0.7)
            _shade(panel, place, series.labels)
            panel.grid(True, axis="y")
        lower.axhline(series.threshold, color=ANOMALOUS, linestyle="--", linewidth=1.2, label="threshold")
        _score_scale(lower, series.scores)
        starts = np.array([start for start, _ in runs(series.alarms)], np.int64)
        shown = starts[np.linspace(0, len(starts) - 1, min(len(starts), MOST_ALARMS)).astype(int)]
        if len(shown):
            top = np.full(len(shown), 1.03)
            lower.plot(
                place[shown], top, "v", color=ANOMALOUS, markersize=4, transform=lower.get_xaxis_transform(),
                clip_on=False, label="alarm",
            )  # fmt: skip
        upper.set_ylabel(_short(series.channel, 24))
        lower.set_ylabel("score")
        lower.set_xlabel(words)
        lower.legend(loc="upper left", ncols=2)
        svg = figure_svg(figure, "series")
    many = f" {len(starts):,} alarms, {len(shown):,} of them shown." if len(shown) < len(starts) else ""
    shaded = " Shaded: labelled anomalies." if series.labels is not None else ""
    return Picture("series", title, svg, f"{len(place):,} samples. A triangle is the start of an alarm.{many}{shaded}")


def histogram_picture(scores: Numbers, labels: Marks, threshold: float, title: str) -> Picture:
    """Shares of the normal and of the anomalous samples [n] in each stretch of the scores."""
    log = _is_log(scores)
    shown = scores[scores > 0] if log else scores
    low, high = float(shown.min()), float(shown.max())
    high = high if high > low else low + 1.0
    edges = np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        axes = figure.subplots()
        for mask, shade, name in ((~labels, NORMAL, "normal"), (labels, ANOMALOUS, "anomalous")):
            if mask.any():
                counts = np.histogram(np.clip(scores[mask], edges[0], edges[-1]), edges)[0]
                label = f"{name} ({int(mask.sum()):,})"
                axes.stairs(counts / mask.sum() * 100, edges, fill=True, alpha=0.35, color=shade)
                axes.stairs(counts / mask.sum() * 100, edges, color=shade, linewidth=1.2, label=label)
        if edges[0] <= threshold <= edges[-1]:
            axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.2, label="threshold")
        if log:
            axes.set_xscale("log")
            plain_log_ticks(axes.xaxis)
        axes.set_xlabel("score (log scale)" if log else "score")
        axes.set_ylabel("% of its kind")
        axes.grid(True, axis="y")
        axes.legend(loc="upper right")
        svg = figure_svg(figure, "histogram")
    return Picture("histogram", title, svg, "To the right of the threshold a sample counts as anomalous.")


def precision_recall_picture(curves: Mapping[str, tuple[Numbers, Marks]], title: str) -> Picture:
    """A line a detector, of its scores [n] and labels [n]; the dashed line is a useless score's."""
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        axes = figure.subplots()
        for index, (name, (scores, labels)) in enumerate(curves.items()):
            precision, recall, _ = precision_recall_curve(labels, scores)
            kept = np.unique(np.linspace(0, len(recall) - 1, min(len(recall), POINTS)).astype(int))
            label = f"{_short(name, 40)}: {average_precision_score(labels, scores):.3f}"
            axes.step(recall[kept], precision[kept], where="post", color=colour(index), linewidth=1.4, label=label)
        shares = [float(labels.mean()) for _, labels in curves.values()]
        axes.axhline(max(shares), color=INK, linestyle="--", linewidth=0.9, label=f"useless score: {max(shares):.3f}")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.grid(True)
        figure.legend(loc="outside right upper")
        svg = figure_svg(figure, "precision-recall")
    return Picture("precision-recall", title, svg, "Beside each name: the area, AUC-PR (average precision).")


def _places(series: ScoredSeries) -> tuple[Numbers, str]:
    """Where each sample lies on the axis, and the axis' words."""
    if series.times is None:
        return np.arange(len(series.scores), dtype=np.float64), "sample"
    seconds = series.times - series.times[0]
    for unit, length in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds[-1] >= 2 * length:
            return seconds / length, f"{unit} from the first sample"
    return seconds, "seconds from the first sample"


def _stretches(place: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """The series itself if it is short, else the lowest and the highest value of each stretch, in their order."""
    if len(values) <= 2 * STRETCHES:
        return place, values
    chosen = []
    for part in np.array_split(np.arange(len(values)), STRETCHES):
        chosen += sorted({int(part[values[part].argmin()]), int(part[values[part].argmax()])})
    return place[chosen], values[chosen]


def _shade(panel: Axes, place: Numbers, labels: Marks | None) -> None:
    for start, end in runs(labels) if labels is not None else ():
        panel.axvspan(place[start], place[end - 1], color=ANOMALOUS, alpha=0.25, linewidth=0.8)


def _score_scale(panel: Axes, scores: Numbers) -> None:
    if _is_log(scores):
        panel.set_yscale("log")
        plain_log_ticks(panel.yaxis)


def _is_log(scores: Numbers) -> bool:
    """Whether the scores are positive, and the highest far beyond the usual ones."""
    low, middle, high = (float(value) for value in np.percentile(scores, [0, 50, 100]))
    return low > 0 and high > _HEAVY_TAIL * middle


def _short(label: str, longest: int) -> str:
    return label if len(label) <= longest else label[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
