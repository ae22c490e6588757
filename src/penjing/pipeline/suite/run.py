"""A suite from its file to its page, as a table of contents. Left out: where cells run (`runners.py`, `on_ray.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from tqdm import tqdm

from ...benchmarks.results import Run
from ...compress.training import process_state
from ...runtime.errors import PenjingError, RecipeError
from ..terminal import note
from ..workspace import Workspace
from .cells import CellResult, Job, finished, make_job
from .file import Suite
from .page import write_suite
from .result import SuiteResult, summarise
from .runners import Runner, one_by_one
from .times import add_times, time_cells


def run_suite(suite: Suite, out: Path, runner: Runner = one_by_one) -> SuiteResult:
    """Makes every cell that is not done yet, times all of them, and writes `suite.html`, `suite.json` and `suite.svg`.

    A cell that fails is a row that says so, and is tried again by the next call. Raises RecipeError for what a suite
    cannot do, OutputError where the folder cannot be written or is in use.
    """
    _check_alone()
    space = Workspace(out)
    with space.locked():
        (out / "stages").mkdir(exist_ok=True)
        jobs = [make_job(cell, seed, recipe, out) for cell, seed, recipe in suite.jobs()]
        results = _make(jobs, runner)
        done = [job for job, result in zip(jobs, results, strict=True) if not result.error]
        run, untimed = _time(done, suite, Workspace(out / "stages"))
        if run is not None:
            results = add_times(jobs, results, run)
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        found = summarise(suite.file.name, created, suite.file.baseline, results, run, untimed)
        write_suite(out, found)
    return found


def check_parallel(suite: Suite) -> None:
    """Raises RecipeError for cells that must not run beside others: those that measure milliseconds to be cut by."""
    timed = [name for name, recipe in suite.recipes.items() if getattr(recipe, "latency_precision", None)]
    if timed:
        raise RecipeError(
            f"cell {timed[0]!r} has prune.budget.latency_ms, which is measured while it runs: leave --workers and --ray"
            " out, so that nothing runs beside it"
        )


def _make(jobs: Sequence[Job], runner: Runner) -> list[CellResult]:
    """The results of all jobs, in their order."""
    found = {job.label: result for job in jobs if (result := finished(job))}
    rest = [job for job in jobs if job.label not in found]
    labels = {(job.cell, job.seed): job.label for job in jobs}
    with tqdm(total=len(jobs), initial=len(found), desc="suite", unit="cell", disable=None) as bar:
        for result in runner(rest):
            label = labels[result.cell, result.seed]
            found[label] = result
            bar.update()
            if result.error:
                note(f"{label}: {result.error}")
    return [found[job.label] for job in jobs]


def _time(done: Sequence[Job], suite: Suite, space: Workspace) -> tuple[Run | None, str]:
    """The run, or why there is none: what was made is not lost because it cannot be timed."""
    if not done:
        return None, "no cell came to a bundle"
    first = sorted(done, key=lambda job: job.cell != suite.file.baseline)
    try:
        return time_cells(first, suite.recipes[first[0].cell], space), ""
    except PenjingError as error:
        note(f"not timed: {error}")
        return None, str(error)


def _check_alone() -> None:
    if process_state().num_processes > 1:
        raise RecipeError("a suite starts its own processes: run it without `accelerate launch`, with --workers N")
