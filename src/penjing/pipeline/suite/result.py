"""What a suite found: one row a cell, over its seeds, beside the baseline. Left out: showing it (`page.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...benchmarks.plain import from_plain, to_plain
from ...benchmarks.results import Run
from ..claims import t_interval
from .cells import CellResult, FileFigure
from .pareto import on_front
from .statistics import Contrast, Word, compare_all, mean

LOWER_IS_BETTER = frozenset({"false alarms"})
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Row:
    """One cell. `value` is the mean over `seeds` of the metric of the file that the runtime takes, `low`..`high` its
    95% t interval (None of one seed); `data_low`..`data_high` the mean interval over the held-out data.

    `bytes`, `parameters`, `ms` are means over the seeds, as are `minutes` (of all stages) and `own_minutes` (of those
    that no other cell uses). `difference` is that from the baseline, as in `statistics.Contrast`.
    """

    cell: str
    seeds: tuple[int, ...]
    failed: tuple[int, ...]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    data_low: float | None = None
    data_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    verdict: Word = "cannot say"
    reason: str = ""
    file: str = ""
    bytes: float | None = None
    parameters: float | None = None
    non_embedding: float | None = None
    ms: float | None = None
    minutes: float | None = None
    own_minutes: float | None = None
    on_front: bool = False


@dataclass(frozen=True)
class SuiteResult:
    """Everything. `metric` and `split` are the baseline's, `n` how many examples that split has; `condition` is that of
    every `ms`; `untimed` says why there are none; `created` is UTC, ISO 8601."""

    suite: str
    created: str
    baseline: str
    metric: str
    split: str
    n: int
    rows: tuple[Row, ...]
    results: tuple[CellResult, ...]
    condition: str = ""
    run: Run | None = None
    untimed: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def failures(self) -> tuple[CellResult, ...]:
        """Those that did not come to a bundle."""
        return tuple(result for result in self.results if result.error)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`, raw samples included."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: dict[str, Any]) -> SuiteResult:
        """What `to_json` gave."""
        return from_plain(SuiteResult, raw)


def summarise(
    suite: str, created: str, baseline: str, results: Sequence[CellResult], run: Run | None, untimed: str = ""
) -> SuiteResult:
    """The rows of `results`, the baseline's first."""
    cells = sorted(dict.fromkeys(result.cell for result in results), key=lambda cell: cell != baseline)
    by_cell = {cell: [result for result in results if result.cell == cell] for cell in cells}
    asked = _question(results, baseline)
    contrasts = _contrasts(by_cell, baseline, asked)
    rows = [_row(cell, by_cell, asked, contrasts.get(cell), cell == baseline) for cell in cells]
    condition = next((result.condition for result in results if result.condition), "")
    return SuiteResult(
        suite, created, baseline, *(asked or ("", "", 0)), _with_front(rows, bool(condition), asked), tuple(results),
        condition, run, untimed,
    )  # fmt: skip


_Question = tuple[str, str, int]
"""Metric, split and how many examples: figures of different ones cannot be compared."""


def _asked(figure: FileFigure) -> _Question:
    return figure.metric, figure.split, figure.n


def _question(results: Sequence[CellResult], baseline: str) -> _Question | None:
    """The baseline's; if it failed everywhere, that of the first cell that did not."""
    done = [result for result in results if not result.error]
    ordered = sorted(done, key=lambda result: result.cell != baseline)
    return _asked(ordered[0].figure) if ordered else None


def _contrasts(
    by_cell: Mapping[str, Sequence[CellResult]], baseline: str, asked: _Question | None
) -> dict[str, Contrast]:
    values = {
        cell: {r.seed: r.figure.value for r in found if not r.error and _asked(r.figure) == asked}
        for cell, found in by_cell.items()
    }
    known = {cell: found for cell, found in values.items() if found}
    return compare_all(known, baseline, lower_is_better=asked is not None and asked[0] in LOWER_IS_BETTER)


def _row(
    cell: str, by_cell: Mapping[str, Sequence[CellResult]], asked: _Question | None, contrast: Contrast | None,
    is_baseline: bool,
) -> Row:  # fmt: skip
    done = [result for result in by_cell[cell] if not result.error]
    failed = tuple(result.seed for result in by_cell[cell] if result.error)
    verdict, reason = _verdict(done, asked, contrast, is_baseline)
    if not done:
        return Row(cell, (), failed, verdict=verdict, reason=reason)
    figures, told = [result.figure for result in done], vars(contrast) if contrast else {}
    values = [figure.value for figure in figures]
    low, high = t_interval(values) or (None, None)
    others = {stage for name, found in by_cell.items() if name != cell for result in found for stage in result.stages}
    own = [sum(s for stage, s in result.stages.items() if stage not in others) / 60 for result in done]
    return Row(
        cell, tuple(result.seed for result in done), failed,
        value=mean(values), low=low, high=high,
        data_low=mean([figure.low for figure in figures]), data_high=mean([figure.high for figure in figures]),
        difference=told.get("difference"), difference_low=told.get("low"), difference_high=told.get("high"),
        p=told.get("p"), verdict=verdict, reason=reason,
        file=done[0].file, bytes=mean([figure.bytes for figure in figures]),
        parameters=_mean_of([result.parameters for result in done]),
        non_embedding=_mean_of([result.non_embedding for result in done]),
        ms=_mean_of([result.p50_ms for result in done]),
        minutes=mean([result.minutes for result in done]), own_minutes=mean(own),
    )  # fmt: skip


def _verdict(
    done: Sequence[CellResult], asked: _Question | None, contrast: Contrast | None, is_baseline: bool
) -> tuple[Word, str]:
    if not done:
        return "cannot say", "failed with every seed"
    if is_baseline:
        return "baseline", ""
    told = _asked(done[0].figure)
    if told != asked:
        return "cannot say", f"{told[0]} on {told[2]:,} {told[1]} examples is another question"
    if contrast is None:
        return "cannot say", "the baseline has no value with any of its seeds"
    return contrast.verdict, contrast.reason


def _with_front(rows: Sequence[Row], timed: bool, asked: _Question | None) -> tuple[Row, ...]:
    """On the front over quality and bytes, and latency where it was measured."""
    sign = 1 if asked and asked[0] in LOWER_IS_BETTER else -1
    places = [i for i, row in enumerate(rows) if row.value is not None and (row.ms is not None or not timed)]
    points = [(sign * (rows[i].value or 0), rows[i].bytes or 0, rows[i].ms or 0) for i in places]
    front = {i for i, is_on in zip(places, on_front(points), strict=True) if is_on}
    return tuple(Row(**{**vars(row), "on_front": i in front}) for i, row in enumerate(rows))


def _mean_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None
