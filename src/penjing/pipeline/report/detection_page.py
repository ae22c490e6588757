"""A detector's report as three files: tables and pictures of `DetectionReport`. Left out: the drawing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...benchmarks.detection import Estimate
from ...benchmarks.results import Run
from .detection import DetectionReport, DetectorRow
from .detection_figures import ScoredSeries, histogram_picture, precision_recall_picture, series_picture
from .figures import course_and_memory
from .markdown import table_markdown
from .model import Share
from .picture import Picture
from .run_tables import run_tables
from .svg import colour
from .table import Table
from .words import DASH, between, megabytes
from .write import page, write_texts

TEMPLATE = "detection.html.j2"
QUALITY = (
    "Scores", "AUC-ROC", "95%", "AUC-PR", "95%", "Recall", "95%", "False alarms", "95%", "n normal", "Events found",
    "Event precision", "Event F1", "False alarms a day", "95%", "NAB",
)  # fmt: skip


def write_detection_report(folder: Path, report: DetectionReport) -> None:
    """Writes `report.json`, `report.md` and `report.html` into `folder`. Raises OutputError when it cannot."""
    written = detection_tables(report)
    html = page(TEMPLATE, detection_pictures(report), written, report=report, headline=headline(report))
    marks = [f"# {report.recipe}", f"**{headline(report)}**"]
    marks += [f"> **Failed:** {sentence}" for sentence in report.failures]
    marks += [f"> **Note:** {sentence}" for sentence in report.notes]
    marks += [table_markdown(table) for table in written]
    write_texts(folder, {
        "report.json": json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": "\n\n".join(marks) + "\n",
        "report.html": html,
    })  # fmt: skip


def headline(report: DetectionReport) -> str:
    """The file that a device takes, in one sentence."""
    best = next(row for row in report.models if row.label == report.best)
    rate = f"{best.false_alarms.value:.2%} false alarms ({report.asked})"
    if best.rates is None:
        return f"{best.label}: {rate}; no labels to tell more"
    found = f"{best.rates.recall.value:.1%} of {best.rates.anomalies:,} anomalous samples"
    return f"{best.label} finds {found} at {rate}"


def detection_pictures(report: DetectionReport) -> list[Picture]:
    """The scores, and what was measured."""
    return _judged_pictures(report) + (_run_pictures(report.run) if report.run is not None else [])


def _run_pictures(run: Run) -> list[Picture]:
    return course_and_memory(run, {facts.label: colour(i) for i, facts in enumerate(run.subjects)})


def _judged_pictures(report: DetectionReport) -> list[Picture]:
    """The series, where it is one; where labels are known, both kinds' scores and what each threshold would do."""
    best, labels = report.scores[0], np.array(report.labels, bool)
    scores, made = np.array(best.scores), list[Picture]()
    if best.alarms:
        series = ScoredSeries(
            scores, np.array(best.alarms), best.threshold, np.array(best.values), best.channel,
            labels if report.labels else None, np.array(report.times) if report.times else None,
        )  # fmt: skip
        made.append(series_picture(series, f"Scores and alarms of {best.label}"))
    if report.labels:
        made.append(histogram_picture(scores, labels, best.threshold, f"Scores of {best.label}"))
        curves = {part.label: (np.array(part.scores), labels) for part in report.scores}
        made.append(precision_recall_picture(curves, "Precision and recall at every threshold"))
    return made


def detection_tables(report: DetectionReport) -> list[Table]:
    """All tables that have rows, in reading order."""
    made = [quality_table(report), files_table(report), made_table(report)]
    if report.run is not None:
        made += run_tables(report.run, report.run.subjects[0].label)
    return [table for table in made if table.rows]


def quality_table(report: DetectionReport) -> Table:
    """One row a file and baseline."""
    note = (
        f"Trained on {report.regime}; test part of {report.rows['test']:,} samples. Each by its own threshold,"
        f" calibrated on {report.rows['calibrate']:,} held-out samples ({report.asked}). Max |z| and Mahalanobis are"
        " baselines: a detector that does not beat them has not earned its bytes. An event is a run of anomalous"
        " samples, found when an alarm falls into it; no point adjustment anywhere."
    )
    return Table("quality", "Quality", QUALITY, tuple(_quality_row(row) for row in report.models), note)


def files_table(report: DetectionReport) -> Table:
    """One row a file: what it costs and how close it comes to the torch detector."""
    columns = ("File", "MB", "Nodes", "Largest score difference", "Rank correlation", "Flips of normal samples", "95%")
    rows = tuple(
        (row.file, megabytes(row.bytes), str(row.nodes), f"{row.difference:.1e}",
         f"{row.rank:.4f}", f"{row.flips.count} of {row.flips.n:,}", _interval(row.flips))
        for row in report.files
    )  # fmt: skip
    note = (
        f"Compared with the torch detector on {report.rows['test']:,} test samples, one at a time. A difference counts"
        " as a share of the score or, where that is larger, of the usual spread of normal scores."
    )
    return Table("files", "Exported files", columns, rows, note)


def made_table(report: DetectionReport) -> Table:
    """What it was made from."""
    rows = [
        ("Detector", report.detector),
        ("Samples", ", ".join(f"{name} {count:,}" for name, count in report.rows.items())),
        ("Training regime", report.regime),
        ("Window", f"{report.window} of {len(report.features)} features"),
        ("Features", ", ".join(report.features[:12]) + (" ..." if len(report.features) > 12 else "")),
    ]
    rows += [("Distilled student", report.verdict)] if report.verdict else []
    return Table("made", "Made from", ("What", "Value"), tuple(rows), wide=(0, 1))


def _quality_row(row: DetectorRow) -> tuple[str, ...]:
    events = row.events
    return (
        row.label, *_estimate(row.auc_roc), *_estimate(row.auc_pr), *_estimate(row.rates.recall if row.rates else None),
        f"{row.false_alarms.value:.4f}", _interval(row.false_alarms), f"{row.false_alarms.n:,}",
        DASH if events is None else f"{events.found} of {events.events}",
        DASH if events is None else f"{events.precision:.3f}", DASH if events is None else f"{events.f1:.3f}",
        *_estimate(events.a_day if events else None, 2), DASH if row.nab is None else f"{row.nab:.1f}",
    )  # fmt: skip


def _estimate(found: Estimate | None, places: int = 3) -> tuple[str, str]:
    if found is None:
        return DASH, DASH
    low, value, high = (f"{number:.{places}f}" for number in (found.low, found.value, found.high))
    return value, between(low, high)


def _interval(share: Share) -> str:
    return between(f"{share.low:.4f}", f"{share.high:.4f}")
