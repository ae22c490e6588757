"""A suite as claims: what each cell reached, and how that differs from the baseline.

    python -m penjing.pipeline.experiments.suite docs/suites/NAME.yaml --out runs/NAME --to docs/results/NAME.json

Makes the cells that are not made yet, so it continues after a kill and adds nothing to a suite that is done; with
`--seeds`, a suite of hours is made a few seeds at a time. Differences are taken within seeds, so each seed may be of a
machine and a teacher of its own; latencies are means over them. Claims are called SUITE.CELL.figure and
judged by the targets of the suite's name (`../targets.py`). Left out: the page and its picture (`penjing suite`).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from ...benchmarks.plain import from_plain
from ...benchmarks.processor import describe_processor
from ...runtime.errors import PenjingError, RecipeError
from ..claims import t_interval, to_microseconds
from ..suite.cells import CellResult
from ..suite.file import Suite, load_suite
from ..suite.result import LOWER_IS_BETTER, Row, SuiteResult, summarise
from ..suite.run import check_parallel, run_suite
from ..suite.runners import Runner, on_processes, one_by_one
from ..targets import stated
from ..terminal import note
from ..text_files import read_json, write_json

Claims = Iterator[dict[str, Any]]
BEST = "best"
"""In claims, the cell that reached most."""


def main() -> None:
    """Reads the command line and publishes; bad input ends with one line and exit code 2."""
    parser = argparse.ArgumentParser(description="Run a suite of recipes and write its claims.")
    parser.add_argument("suite", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", help="these of the suite's seeds; others stay as --to has them")
    parser.add_argument("--workers", type=int, default=1, help="cells that learn beside each other on this machine")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    command = (
        f"python -m penjing.pipeline.experiments.suite {arguments.suite.as_posix()} --workers {arguments.workers}"
        f" --out {arguments.out.as_posix()} --to {arguments.to.as_posix()}"
    )
    try:
        suite = load_suite(arguments.suite)
        if arguments.workers > 1:
            check_parallel(suite)
        runner = one_by_one if arguments.workers == 1 else partial(on_processes, workers=arguments.workers)
        publish(suite, arguments.seeds or suite.file.seeds, arguments.out, arguments.to, command, runner)
    except PenjingError as error:
        note(str(error))
        raise SystemExit(2) from None


def publish(
    suite: Suite, seeds: Sequence[int], out: Path, target: Path, command: str, runner: Runner = one_by_one
) -> None:
    """Runs the suite with these of its `seeds` and joins what `target` holds of the others.

    Raises RecipeError where that is of another suite or a cell is called BEST, OutputError for a folder it cannot use.
    """
    if any(cell.name == BEST for cell in suite.file.cells):
        raise RecipeError(f"cell {BEST!r}: in claims that is the cell that reached most: give yours another name")
    described = suite.file.model_dump(mode="json", exclude_defaults=True)
    empty = {"suite": described, "results": [], "made": {}}
    kept: dict[str, Any] = read_json(target) if target.is_file() else empty
    if kept["suite"] != described:
        raise RecipeError(f"{target} is of another suite than {suite.file.name!r} as it is now: move it away first")
    others = [from_plain(CellResult, result) for result in kept["results"] if result["seed"] not in seeds]
    now = run_suite(replace(suite, file=suite.file.model_copy(update={"seeds": tuple(seeds)})), out, runner)
    results = sorted([*others, *now.results], key=attrgetter("seed"))
    found = summarise(now.suite, now.created, now.baseline, results, now.run, now.untimed)
    made = {str(seed): {"created": now.created, "processor": describe_processor().name} for seed in seeds}
    plain = found.to_json()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, {
        "claims": [{**claim, "command": command} for claim in claims(found)],
        "suite": described,
        "made": {**kept["made"], **made},
        **{name: plain[name] for name in ("metric", "split", "n", "condition", "rows", "results")},
        "run": None if found.run is None else to_microseconds(found.run.to_json()),
    })  # fmt: skip


def claims(found: SuiteResult) -> Claims:
    """Of every cell that came to a bundle; what the best one reached is claimed as that of BEST once more."""
    rows = [row for row in found.rows if row.value is not None]
    for row in rows:
        yield from _quality(f"{found.suite}.{row.cell}", found, row)
        yield from _difference(found, row)
        yield from _cost(found, row)
    if rows:
        better = min if found.metric in LOWER_IS_BETTER else max
        yield from _quality(f"{found.suite}.{BEST}", found, better(rows, key=attrgetter("value")))


def _quality(name: str, found: SuiteResult, row: Row) -> Claims:
    """On each split the mean over the seeds."""
    own = [figure for r in found.results if r.cell == row.cell and not r.error for figure in r.figures
           if figure.file == r.file]  # fmt: skip
    for split in dict.fromkeys(figure.split for figure in own):
        told = [figure for figure in own if figure.split == split]
        values = [figure.value for figure in told]
        yield stated(f"{name}.{split}", statistics.fmean(values), told[0].metric, t_interval(values), told[0].n)


def _difference(found: SuiteResult, row: Row) -> Claims:
    """From the baseline, taken within seeds."""
    if row.difference is not None:
        low, high = row.difference_low, row.difference_high
        spread = None if low is None or high is None else (low, high)
        yield stated(f"{found.suite}.{row.cell}.difference", row.difference, "share", spread, found.n)


def _cost(found: SuiteResult, row: Row) -> Claims:
    name = f"{found.suite}.{row.cell}"
    if row.bytes is not None:
        yield stated(f"{name}.size", row.bytes / 1e6, "MB", None, len(row.seeds))
    if row.ms is not None:
        yield stated(f"{name}.ms", row.ms, "ms", None, len(row.seeds))


if __name__ == "__main__":
    main()
