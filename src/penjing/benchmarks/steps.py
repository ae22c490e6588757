"""What a plan measures, step by step, and how the findings become a Run.

A step is one condition with all subjects side by side, so what a lost connection or a full disk leaves behind is whole
steps, and a run that continues takes the rest. The same steps are taken here (`targets/local.py`) and, by
`far_side.py`, on a board. Left out: targets without Python, which make findings of their own kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..runtime.errors import BundleError, TargetError
from .cold import measure_cold, measure_import
from .download_size import DownloadSize, measure_downloads
from .latency import Contender, describe, measure_answers, measure_warm, open_contender
from .machine import MachineDescription
from .measurement import Condition, Measurement, join_passes
from .memory_use import ColdSplit, MemoryUse, measure_cold_split, measure_memory
from .op_profile import OpProfile, profile_contender
from .plain import from_plain, to_plain
from .plan import Plan, Subject, SubjectFacts
from .results import Run, RunSettings
from .sensors import SensorReading, read_sensors, watch_sensors
from .twins import TWIN, fold_twins
from .wrapper import WrapperCost, measure_wrapper

StepKind = Literal["engine", "answers", "wrapper", "profile", "cold", "import", "memory"]
ON_OPEN_ENGINES = ("engine", "answers", "profile")
"""Kinds that are taken on the engines that are open; the others open their own."""
MEMORY_ROUNDS = 3
"""Memory hardly differs from process to process."""


@dataclass(frozen=True)
class Step:
    """One thing to measure with all subjects: `kind` at a length (None: as it comes) and a thread count. Engines and
    answers are timed in several passes, of which this is number `part`."""

    kind: StepKind
    sequence_length: int | None
    threads: int
    part: int = 0


@dataclass(frozen=True)
class Finding:
    """What one step found; the twin's measurements are among the others. `sensors` were read while it ran."""

    step: Step
    measurements: tuple[Measurement, ...] = ()
    wrapper: tuple[WrapperCost, ...] = ()
    profiles: tuple[OpProfile, ...] = ()
    memory: tuple[MemoryUse, ...] = ()
    cold_splits: tuple[ColdSplit, ...] = ()
    downloads: tuple[DownloadSize, ...] = ()
    sensors: tuple[SensorReading, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_json(raw: Any) -> Finding:
        """What `to_json` gave. Raises TargetError that says what is wrong with anything else."""
        try:
            return from_plain(Finding, raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise TargetError(
                f"the far side sent no measurement ({reason}): update Penjing there, or run again"
            ) from None


def steps(plan: Plan) -> tuple[Step, ...]:
    """The steps of a plan in their order. A sustained run has one: the engines at the longest length.

    Each pass goes through all lengths and thread counts, so that what slows the machine for some seconds is spread over
    all conditions and shows as a difference between passes.
    """
    first, lengths = plan.threads[0], plan.lengths
    if plan.mode == "sustained":
        return (Step("engine", max(lengths, default=None), first),)
    wanted: list[Step] = []
    for part, threads in itertools.product(range(plan.passes), plan.threads):
        wanted += [Step("engine", length, threads, part) for length in lengths]
        wanted.append(Step("answers", None, threads, part))
    if plan.mode == "burst":
        wanted += [Step("wrapper", None, first)] if plan.samples is None else []
        wanted += [Step("profile", max(lengths), first)] if lengths else []
        wanted += [Step("cold", None, first), Step("import", None, 1), Step("memory", None, first)]
    return tuple(wanted)


def check_subjects(subjects: Sequence[Subject]) -> tuple[SubjectFacts, ...]:
    """What the subjects are. Raises BundleError when there is none, two share a label, or one cannot be opened."""
    if len({subject.label for subject in subjects}) != len(subjects) or not subjects:
        raise BundleError(f"subjects {[s.label for s in subjects]}: name at least one, each with a label of its own")
    return tuple(describe(subject) for subject in subjects)


def take_steps(subjects: Sequence[Subject], plan: Plan, done: Collection[Step] = ()) -> Iterator[Finding]:
    """Takes every step that is not `done`; the first subject is measured twice. Engines stay open between steps of one
    pass and thread count. Raises BundleError or EngineError as the steps do."""
    entries = [*subjects, replace(subjects[0], label=subjects[0].label + TWIN)]
    contenders, opened = list[Contender](), (0, 0)
    for step in steps(plan):
        if step in done:
            continue
        if step.kind not in ON_OPEN_ENGINES:
            contenders, opened = [], (0, 0)
        elif (step.threads, step.part) != opened:
            contenders = []  # closes the others first
            contenders, opened = [open_contender(entry, step.threads) for entry in entries], (step.threads, step.part)
        yield _take(step, entries, contenders, plan)


def _take(step: Step, entries: Sequence[Subject], contenders: Sequence[Contender], plan: Plan) -> Finding:
    readings = [read_sensors()]
    finding = _measure(step, entries, contenders, plan, readings)
    readings.append(read_sensors())
    return replace(finding, sensors=tuple(readings))


def _measure(
    step: Step, entries: Sequence[Subject], contenders: Sequence[Contender], plan: Plan, readings: list[SensorReading]
) -> Finding:
    watch = watch_sensors(readings)
    if step.kind == "engine":
        if step.sequence_length is None:
            return Finding(step)
        found = measure_warm(contenders, step.sequence_length, step.threads, plan, watch, step.part)
        return Finding(step, tuple(found))
    if step.kind == "answers":
        return Finding(step, tuple(measure_answers(contenders, step.threads, plan, watch, step.part)))
    if step.kind == "wrapper":
        return Finding(step, wrapper=tuple(measure_wrapper(entries[:-1], step.threads, plan)))
    if step.kind == "profile":
        length = step.sequence_length or 0
        profiles = (profile_contender(contender, length, step.threads, plan) for contender in contenders[:-1])
        return Finding(step, profiles=tuple(profile for profile in profiles if profile is not None))
    if step.kind == "cold":
        return Finding(step, tuple(measure_cold(entries, plan)))
    if step.kind == "memory":
        subjects, rounds = entries[:-1], min(MEMORY_ROUNDS, plan.cold_rounds)
        return Finding(
            step, memory=measure_memory(subjects, plan, rounds),
            cold_splits=measure_cold_split(subjects, plan, plan.cold_rounds), downloads=measure_downloads(subjects),
        )  # fmt: skip
    return Finding(step, (measure_import(plan),))


def assemble(
    target: str, started: str, machine: MachineDescription, facts: Sequence[SubjectFacts], plan: Plan,
    findings: Sequence[Finding], partial: str | None = None,
) -> Run:  # fmt: skip
    """The Run of these findings: twins become noise floors, pairs comparisons. `partial` says why steps are missing."""
    found = _joined([m for finding in findings for m in finding.measurements])
    run = Run(
        target, started, machine, _settings(plan), tuple(facts), tuple(found), (), (),
        tuple(cost for finding in findings for cost in finding.wrapper),
        tuple(profile for finding in findings for profile in finding.profiles),
        memory=tuple(use for finding in findings for use in finding.memory),
        cold_splits=tuple(split for finding in findings for split in finding.cold_splits),
        downloads=tuple(size for finding in findings for size in finding.downloads),
        sensors=tuple(reading for finding in findings for reading in finding.sensors),
        partial=partial,
    )  # fmt: skip
    return fold_twins(run)


def _joined(measured: Sequence[Measurement]) -> list[Measurement]:
    """One measurement for each subject and condition, of all its passes."""
    parts: dict[tuple[str, Condition], list[Measurement]] = {}
    for m in measured:
        parts.setdefault((m.subject, m.condition), []).append(m)
    return [join_passes(passes) for passes in parts.values()]


def _settings(plan: Plan) -> RunSettings:
    return RunSettings(
        plan.lengths, plan.threads, plan.rounds, plan.repeats, len(plan.questions), plan.cold_rounds, plan.seed,
        plan.mode, plan.cores, plan.questions_hash, plan.seconds if plan.mode == "sustained" else None,
    )  # fmt: skip
