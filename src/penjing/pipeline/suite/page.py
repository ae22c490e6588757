"""A suite's table, its sentences, and the files `suite.html`, `suite.json` and `suite.svg`.

Left out: the drawing (`figure.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..report.lottery_figure import standalone_svg
from ..report.run_tables import latency_table, machine_table, noise_table
from ..report.table import Table
from ..report.words import DASH, between, megabytes, milliseconds, run_warnings
from ..report.write import page, write_texts
from .cells import CellResult
from .figure import front_picture
from .result import Row, SuiteResult

TEMPLATE = "suite.html.j2"
PAGE_NAME = "suite.html"
COLUMNS = (
    "Cell", "Mean", "95% over seeds", "95% over data", "Points to baseline", "95%", "Verdict", "p", "MB", "Parameters",
    "ms", "Minutes", "of its own", "Seeds", "Front",
)  # fmt: skip
TOLD = {"better": "Better", "worse": "Worse", "not different": "Not different"}


def write_suite(folder: Path, found: SuiteResult) -> None:
    """Writes the three files into `folder`. Raises OutputError when it cannot."""
    picture = front_picture(found)
    html = page(
        TEMPLATE, [picture] if picture else [], list(_tables(found)),
        suite=found.suite, created=found.created, headline=headline(found), sentences=sentences(found),
        warnings=tuple(_warnings(found)), failures=[f"{_label(r)}: {r.error}" for r in found.failures],
    )  # fmt: skip
    texts = {
        "suite.json": json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False) + "\n",
        PAGE_NAME: html,
        **({"suite.svg": standalone_svg(picture.svg)} if picture else {}),
    }
    write_texts(folder, texts)


def headline(found: SuiteResult) -> str:
    """One sentence: what is better than the baseline."""
    better = [_said(row) for row in _ordered(found.rows, "better")]
    if better:
        return f"Better than {found.baseline}: {', '.join(better)}"
    return f"No cell was shown to be better than {found.baseline}"


def sentences(found: SuiteResult) -> tuple[str, ...]:
    """Which cells paid and which did not, in words."""
    return tuple(_sentences(found))


def suite_table(found: SuiteResult) -> Table:
    """One row a cell."""
    times = f" Milliseconds: {found.condition}, batch 1, all in one interleaved run." if found.condition else ""
    note = (
        f"{found.metric} on {found.n:,} {found.split} examples, of the file that the runtime takes; its size and its"
        f" time. Over seeds: Student's interval of the mean. Over data: the mean interval of one trained model."
        f" Points: hundredths of the metric; all cells are compared within seeds at once, p after Holm, the interval"
        f" alone.{times} Minutes: what a cell takes alone, and in stages that no other cell uses."
    )
    return Table("suite", "All cells", COLUMNS, tuple(_row(row) for row in found.rows), note, wide=(0, 6))


def _sentences(found: SuiteResult) -> Iterator[str]:
    for word, told in TOLD.items():
        rows = _ordered(found.rows, word)
        if rows:
            yield f"{told}{' than' if word != 'not different' else ' from'} {found.baseline}: {_list(rows)}."
    for row in found.rows:
        if row.verdict == "cannot say":
            yield f"{row.cell}: nobody can say; {row.reason}."
    front = [row.cell for row in found.rows if row.on_front]
    if front:
        costs = "quality, size and latency" if found.condition else "quality and size"
        yield f"On the Pareto front of {costs}: {', '.join(front)}."


def _list(rows: Sequence[Row]) -> str:
    return ", ".join(_said(row) for row in rows)


def _said(row: Row) -> str:
    return f"{row.cell} ({_points(row.difference)} points)"


def _ordered(rows: Sequence[Row], word: str) -> list[Row]:
    return sorted((row for row in rows if row.verdict == word), key=lambda row: -abs(row.difference or 0))


def _tables(found: SuiteResult) -> Iterator[Table]:
    yield suite_table(found)
    rows = tuple(row for result in found.results for row in _file_rows(result))
    columns = ("Cell", "File", "Bytes", "Split", "n", "Metric", "95%", "Parameters", "without embeddings", "ms")
    yield Table("files", "Every file with every seed", columns, rows, "Intervals are over the held-out data.", (0, 1))
    if found.run is not None:
        yield latency_table(found.run)
        yield noise_table(found.run)
        yield machine_table(found.run)


def _file_rows(result: CellResult) -> Iterator[tuple[str, ...]]:
    for figure in result.figures:
        timed = milliseconds(result.p50_ms) if figure.file == result.file else DASH
        yield (
            _label(result), figure.file, f"{figure.bytes:,}", figure.split, f"{figure.n:,}", f"{figure.value:.4f}",
            _range(figure.low, figure.high), _count(result.parameters), _count(result.non_embedding), timed,
        )  # fmt: skip


def _row(row: Row) -> tuple[str, ...]:
    verdict = f"{row.verdict}: {row.reason}" if row.reason and row.p is None else row.verdict
    seeds = f"{len(row.seeds)}" + (f" of {len(row.seeds) + len(row.failed)}" if row.failed else "")
    if row.value is None or row.bytes is None:
        return (row.cell, *([DASH] * 5), verdict, *([DASH] * 6), seeds, "")
    return (
        row.cell, f"{row.value:.4f}", _range(row.low, row.high), _range(row.data_low, row.data_high),
        _points(row.difference), _points_range(row), verdict, _chance(row.p),
        megabytes(round(row.bytes)), _count(row.parameters), milliseconds(row.ms), _minutes(row.minutes),
        _minutes(row.own_minutes), seeds, "yes" if row.on_front else "",
    )  # fmt: skip


def _points(value: float | None) -> str:
    return DASH if value is None else f"{round(100 * value, 2) + 0.0:+.2f}"  # no -0.00


def _chance(p: float | None) -> str:
    return DASH if p is None else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def _points_range(row: Row) -> str:
    if row.difference_low is None or row.difference_high is None:
        return DASH
    return f"{_points(row.difference_low)}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{_points(row.difference_high)}"


def _range(low: float | None, high: float | None) -> str:
    return DASH if low is None or high is None else between(f"{low:.3f}", f"{high:.3f}")


def _count(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"


def _minutes(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"


def _label(result: CellResult) -> str:
    return f"{result.cell}, seed {result.seed}"


def _warnings(found: SuiteResult) -> Iterator[str]:
    if any(len(row.seeds) == 1 for row in found.rows):
        yield "A cell with one seed has no interval over seeds."
    if found.run is None:
        yield f"Nothing was timed: {found.untimed}."
    else:
        yield from run_warnings(found.run)
