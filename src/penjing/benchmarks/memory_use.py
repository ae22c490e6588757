"""What a start costs stage by stage, each time in a fresh process: memory by cause, and where a cold start's time goes.

The stages are the bare interpreter with the runtime, the engine's library, the model, the first inference, and some
more inferences. Their memory and their times come from processes of their own, so that looking at the one does not
touch the other. The first start of each subject is not counted: it fills the operating system's cache and the folder of
bytecode (`fresh_process.py`). Left out: the first start after an installation or a reboot, and starts without the split
(`cold.py`).
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ..runtime.errors import BundleError
from .fresh_process import run_fresh
from .latency import describe
from .plan import Plan, Subject, SubjectFacts

STAGES = ("baseline", "engine loaded", "model loaded", "first inference", "peak")
PHASES = ("process", "runtime", "engine", "model", "first inference")
"""Of a cold start: the interpreter, then the first four stages."""

CAUSES = ("interpreter and runtime", "engine library", "model", "working memory")
INFERENCES = 20
"""Questions after which the peak is read; the longest one is among them."""

ARENAS = {
    "onnx": "what ONNX Runtime's allocator took from the system, weights that live in it included",
    "tflite": "places of the tensors that LiteRT laid out; the delegate's own memory is not told",
}
"""What `arena_mb` is in each engine; the two cannot be compared."""


@dataclass(frozen=True)
class MemoryStage:
    """What a process holds at the end of a stage, in MB (1e6 bytes), as `memory.memory_now` defines it.

    `peak_mb` is the largest resident set up to then, `model_file_mb` the part of `mapped_file_mb` that is the model.
    All but the peak are None where the system does not tell them.
    """

    name: str
    rss_mb: float | None
    pss_mb: float | None
    private_dirty_mb: float | None
    mapped_file_mb: float | None
    peak_mb: float | None
    model_file_mb: float | None = None


FIELDS = ("rss_mb", "pss_mb", "private_dirty_mb", "mapped_file_mb", "peak_mb", "model_file_mb")


@dataclass(frozen=True)
class MemoryUse:
    """One subject: the medians of every stage over `rounds` fresh processes, and all of their stages in `samples`.

    `arena_mb` is the engine's arena after all inferences (see ARENAS), of one more process; None if nobody tells.
    """

    subject: str
    threads: int
    stages: tuple[MemoryStage, ...]
    arena_mb: float | None
    rounds: int
    samples: tuple[tuple[MemoryStage, ...], ...] = ()

    def stage(self, name: str) -> MemoryStage:
        """The medians of a stage; raises KeyError for a name that is not in STAGES."""
        return {stage.name: stage for stage in self.stages}[name]

    def spread(self, name: str, field: str = "private_dirty_mb") -> tuple[float, float] | None:
        """The least and the most MB that any of the processes had in a stage; None where the system does not tell."""
        values = [getattr(stage, field) for stages in self.samples for stage in stages if stage.name == name]
        return None if None in values or not values else (min(values), max(values))


@dataclass(frozen=True)
class MemoryPart:
    """What one of CAUSES added, in MB: a part of a stacked bar. Below zero when a stage gave memory back."""

    cause: str
    private_dirty_mb: float
    mapped_file_mb: float


@dataclass(frozen=True)
class ColdSplit:
    """Milliseconds of each of PHASES in every one of some fresh processes: phase -> one time a process, in order.

    `process` ends with the first line of our own code; `model` holds the manifest, the hash, the tokenizer's file and
    the session. A process's phases sum to the time from its start to its first answer, less the reading of its job.
    """

    subject: str
    threads: int
    samples: Mapping[str, tuple[float, ...]]

    @property
    def medians(self) -> dict[str, float]:
        """The middle of each phase, in ms."""
        return {phase: median(times) for phase, times in self.samples.items()}

    @property
    def totals(self) -> tuple[float, ...]:
        """Start to first answer of each process, in ms."""
        return tuple(sum(times) for times in zip(*self.samples.values(), strict=True))


def measure_memory(subjects: Sequence[Subject], plan: Plan, rounds: int) -> tuple[MemoryUse, ...]:
    """Every subject in `rounds` fresh processes, and one more for the arena, on the first of `plan.threads`.

    Raises BundleError for a subject that cannot be opened, EngineError when a process gives no answer.
    """
    jobs = [_job(subject, plan) for subject in subjects]
    with tempfile.TemporaryDirectory() as bytecode:
        said = _run_rounds(jobs, "memory", plan, rounds, bytecode)
        arenas = [_child(facts.label, {**job, "kind": "arena"}, bytecode)[1]["arena_mb"] for facts, job in jobs]
    uses = []
    for (facts, job), answers, arena in zip(jobs, said, arenas, strict=True):
        samples = tuple(tuple(_stage(name, answer["memory"][name]) for name in STAGES) for _, answer in answers)
        medians = tuple(_middle(stages) for stages in zip(*samples, strict=True))
        uses.append(MemoryUse(facts.label, job["threads"], medians, arena, rounds, samples))
    return tuple(uses)


def measure_cold_split(subjects: Sequence[Subject], plan: Plan, rounds: int) -> tuple[ColdSplit, ...]:
    """Every subject in `rounds` fresh processes in random order, on the first of `plan.threads`; raises as above."""
    jobs = [_job(subject, plan) for subject in subjects]
    for _, job in jobs:
        del job["questions"][1:]
    with tempfile.TemporaryDirectory() as bytecode:
        said = _run_rounds(jobs, "start", plan, rounds, bytecode)
    splits = []
    for (facts, job), answers in zip(jobs, said, strict=True):
        times = [(waited, *(answer["times"][stage] for stage in STAGES[:4])) for waited, answer in answers]
        columns = zip(*times, strict=True)
        splits.append(ColdSplit(facts.label, job["threads"], dict(zip(PHASES, columns, strict=True))))
    return tuple(splits)


def memory_parts(use: MemoryUse) -> tuple[MemoryPart, ...]:
    """What each of CAUSES added to the medians at the peak, in order; none where the system tells only the peak.

    Private dirty memory counts for the stage in which it came. Mapped pages count by their file: the model's for the
    model, all others that came after the baseline for the engine, whose code is read in only as it is used.
    """
    ends = [use.stage(name) for name in ("baseline", "engine loaded", "model loaded", "peak")]
    dirty = [end.private_dirty_mb for end in ends if end.private_dirty_mb is not None]
    baseline, mapped, model = ends[0].mapped_file_mb, ends[-1].mapped_file_mb, ends[-1].model_file_mb
    if len(dirty) < len(ends) or baseline is None or mapped is None or model is None:
        return ()
    added = (now - before for now, before in zip(dirty, [0.0, *dirty], strict=False))
    files = (baseline, mapped - model - baseline, model, 0.0)
    return tuple(MemoryPart(*part) for part in zip(CAUSES, added, files, strict=True))


def _job(subject: Subject, plan: Plan) -> tuple[SubjectFacts, dict[str, Any]]:
    facts = describe(subject)
    asked = list(plan.questions)
    chosen = [*(asked[i % len(asked)] for i in range(INFERENCES - 1)), max(asked, key=len)]
    takes = "text" if plan.samples is None else "sample"
    return facts, {
        "folder": str(Path(subject.folder).resolve()),
        "file": facts.file,
        "engine": facts.engine,
        "precision": facts.precision,
        "threads": plan.threads[0],
        "takes": takes,
        "questions": chosen if takes == "text" else [sample.tolist() for sample in chosen],
    }


def _run_rounds(
    jobs: Sequence[tuple[SubjectFacts, dict[str, Any]]], kind: str, plan: Plan, rounds: int, bytecode: str
) -> list[list[tuple[float, dict[str, Any]]]]:
    """[job][round]: what `_child` gives. Raises BundleError when there is nothing to do."""
    if not jobs or rounds < 1:
        raise BundleError(f"{len(jobs)} subjects in {rounds} rounds: name at least one of each")
    order = random.Random(plan.seed)
    found: list[list[tuple[float, dict[str, Any]]]] = [[] for _ in jobs]
    for r in range(-1, rounds):
        for j in order.sample(range(len(jobs)), len(jobs)):
            facts, job = jobs[j]
            answer = _child(facts.label, {**job, "kind": kind}, bytecode)
            if r >= 0:
                found[j].append(answer)
    return found


def _child(label: str, job: Mapping[str, Any], bytecode: str) -> tuple[float, dict[str, Any]]:
    """Milliseconds from the start of a process to the first line of its own code, and what it said at its end."""
    start, said = run_fresh("memory_child", job, label, bytecode)
    return (said["began"] - start) * 1e3, said


def _stage(name: str, memory: Mapping[str, float | None]) -> MemoryStage:
    return MemoryStage(name, *(memory[field] for field in FIELDS))


def _middle(stages: Sequence[MemoryStage]) -> MemoryStage:
    """The median of each field over several processes; None if one does not tell it."""
    columns = ([getattr(stage, field) for stage in stages] for field in FIELDS)
    return MemoryStage(stages[0].name, *(None if None in values else median(values) for values in columns))
