"""The latencies of all cells in one interleaved run, made when nothing else runs.

Measured is the file of each bundle that the runtime takes, the engine alone and whole answers. Left out: the other
files, cold starts and memory, which `penjing bench CELL/bundle ...` measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ...benchmarks.machine import describe_machine
from ...benchmarks.plan import Plan, Subject
from ...benchmarks.processor import describe_processor
from ...benchmarks.results import Run
from ...benchmarks.steps import assemble, check_subjects, steps, take_steps
from ...runtime.bundle import Bundle, open_bundle
from ...runtime.manifest import DETECTOR_TASK, MANIFEST_NAME
from ..golden_plan import golden_plan
from ..recipe import AnyRecipe
from ..report.words import headline_condition
from ..ship import BUNDLE
from ..text_files import read_json, write_json
from ..workspace import Workspace, file_digest
from .cells import CellResult, Job, write_result

KINDS = ("engine", "answers")


def time_cells(jobs: Sequence[Job], recipe: AnyRecipe, space: Workspace) -> Run:
    """Of jobs that are done, the baseline's first, by the baseline's `recipe`. Raises PenjingError as measuring does.

    Kept as a stage: a suite that ran before and gained nothing is not timed again.
    """
    folders = [Path(job.folder) / BUNDLE for job in jobs]

    def work(folder: Path) -> None:
        bundles = [open_bundle(path) for path in folders]
        subjects = [_subject(job, bundle) for job, bundle in zip(jobs, bundles, strict=True)]
        write_json(folder / "run.json", _measure(subjects, _plan(recipe, bundles)).to_json())

    settings = {
        "benchmark": recipe.benchmark.model_dump(), "seed": recipe.seed, "processor": describe_processor().name,
        "bundles": {job.label: file_digest(path / MANIFEST_NAME) for job, path in zip(jobs, folders, strict=True)},
    }  # fmt: skip
    return Run.from_json(read_json(space.stage("suite-times", work, settings=settings) / "run.json"))


def add_times(jobs: Sequence[Job], results: Sequence[CellResult], run: Run) -> list[CellResult]:
    """The results with their medians, written into each `cell.json` too."""
    condition, timed = headline_condition(run), []
    for job, result in zip(jobs, results, strict=True):
        measured = run.find(job.label, condition)
        if measured is not None:
            result = write_result(job, replace(result, p50_ms=measured.p50, condition=condition.words))
        timed.append(result)
    return timed


def _subject(job: Job, bundle: Bundle) -> Subject:
    entry = bundle.manifest.files[bundle.model_files[0]]
    return Subject(job.label, bundle.folder, entry.format, entry.precision)


def _plan(recipe: AnyRecipe, bundles: Sequence[Bundle]) -> Plan:
    """As the recipe says, with the goldens of the first bundle, at lengths that every bundle takes."""
    settings, longest = recipe.benchmark, min(bundle.manifest.max_length for bundle in bundles)
    lengths = None
    if bundles[0].manifest.task != DETECTOR_TASK:
        lengths = [length for length in getattr(settings, "lengths", ()) if length <= longest] or [longest]
    plan = golden_plan(bundles, lengths, tuple(settings.threads))
    return replace(plan, rounds=settings.rounds, repeats=settings.repeats, seed=recipe.seed)


def _measure(subjects: Sequence[Subject], plan: Plan) -> Run:
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    facts, machine = check_subjects(subjects), describe_machine()
    others = [step for step in steps(plan) if step.kind not in KINDS]
    return assemble("local", started, machine, facts, plan, list(take_steps(subjects, plan, others)))
