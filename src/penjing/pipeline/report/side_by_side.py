"""Several targets side by side: one row a file, one column a target.

Every column is a run of its own. Milliseconds and the counts of emulated cores never share a table. Left out: the
reasons of the verdicts, and everything that is told of one target alone (`target_pages.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...benchmarks.counts import InstructionCount
from ...benchmarks.download_size import DownloadSize
from ...benchmarks.measurement import Condition, Measurement
from ...benchmarks.memory_use import MemoryUse, memory_parts
from ...benchmarks.parity import Parity
from ...benchmarks.plan import SubjectFacts
from ...benchmarks.results import Run
from ...benchmarks.verdict import judge
from .device_tables import EMULATED, PLUS, difference_words, millions
from .table import Table
from .words import (
    DASH,
    between,
    condition_order,
    megabytes,
    milliseconds,
    processor_words,
    sensor_words,
)

TIMED = ("warm", "window", "text", "stream", "cold")


@dataclass(frozen=True)
class NamedRun:
    """What was measured on a target, and what the user calls it."""

    name: str
    run: Run


def side_tables(targets: Sequence[NamedRun]) -> list[Table]:
    """All tables that have rows."""
    made = [
        latency_by_target(targets), memory_by_target(targets), size_by_target(targets),
        counts_by_target(targets), parity_by_target(targets), machines_table(targets),
    ]  # fmt: skip
    return [table for table in made if table.rows]


def latency_by_target(targets: Sequence[NamedRun]) -> Table:
    """Medians with interval and verdict; a column for each target that was timed."""
    timed = [target for target in targets if target.run.conditions(*TIMED)]
    conditions = {condition for target in timed for condition in target.run.conditions(*TIMED)}
    rows = []
    for condition in sorted(conditions, key=condition_order):
        found = [m.subject for t in timed for m in t.run.measurements if m.condition == condition]
        for i, subject in enumerate(dict.fromkeys(found)):
            cells = [_latency_cell(target.run, subject, condition) for target in timed]
            rows.append(("" if i else condition.words, subject, *cells))
    columns = ("Condition", "Model", *(target.name for target in timed))
    note = (
        "p50 in ms, its 95% interval, and whether it may be believed (why not: on the target's page). Each column is"
        " a run of its own: ratios between files hold within a column."
    )
    return Table("latency", "Latency, p50 ms", columns, tuple(rows), note, wide=(0, 1))


def _latency_cell(run: Run, subject: str, condition: Condition) -> str:
    measured = run.find(subject, condition)
    return DASH if measured is None else latency_words(run, measured)


def latency_words(run: Run, measured: Measurement) -> str:
    """The median, its interval and the word of its verdict."""
    low, high = measured.p50_interval
    interval = between(milliseconds(low), milliseconds(high))
    return f"{milliseconds(measured.p50)} ({interval}) {judge(run, measured).word}"


def memory_by_target(targets: Sequence[NamedRun]) -> Table:
    """What each file holds on each target that told it."""
    told = [target for target in targets if target.run.memory]

    def cell(run: Run, subject: str) -> str:
        return next((_memory_words(use) for use in run.memory if use.subject == subject), DASH)

    note = (
        "MB (1e6 bytes) of a whole process after many inferences: private dirty + mapped file pages, then the peak of"
        " the resident set. Python is part of it where the target runs Python."
    )
    return _by_subject("memory", "Memory", told, cell, note)


def _memory_words(use: MemoryUse) -> str:
    parts, peak = memory_parts(use), use.stage("peak").peak_mb
    most = DASH if peak is None else f"peak {peak:.1f}"
    if not parts:
        return most
    dirty, mapped = (
        sum(values) for values in zip(*((p.private_dirty_mb, p.mapped_file_mb) for p in parts), strict=True)
    )
    return f"{dirty:.1f}{PLUS}{mapped:.1f}, {most}"


def size_by_target(targets: Sequence[NamedRun]) -> Table:
    """The file itself, its quality, and what a device of each target downloads with the engine."""
    told = [target for target in targets if target.run.downloads]
    facts = {facts.label: facts for target in targets for facts in target.run.subjects}
    rows = tuple(
        (label, megabytes(fact.bytes), _quality_words(fact), *(_download_cell(target.run, label) for target in told))
        for label, fact in facts.items()
    )
    columns = ("Model", "MB on disk", "Quality", *(f"Download, {target.name}" for target in told))
    note = "Download: model, tokenizer and engine library of an ABI, compressed as in an APK or zip, MB (1e6 bytes)."
    return Table("size", "Size and quality", columns, rows, note if told else "")


def _download_cell(run: Run, subject: str) -> str:
    size = next((size for size in run.downloads if size.subject == subject), None)
    return DASH if size is None else _download_words(size)


def _download_words(size: DownloadSize) -> str:
    return ", ".join(f"{size.total(abi)[1]:.1f} ({abi})" for abi in size.engine) or DASH


def _quality_words(facts: SubjectFacts) -> str:
    quality = facts.quality
    if quality is None:
        return DASH
    interval = between(f"{quality.low:.3f}", f"{quality.high:.3f}")
    return f"{quality.metric} {quality.value:.4f} ({interval}), {quality.split}, n = {quality.n:,}"


def counts_by_target(targets: Sequence[NamedRun]) -> Table:
    """Instructions of an inference; a column for each emulated core."""
    counted = [target for target in targets if target.run.counts]
    pairs = dict.fromkeys((c.subject, c.sequence_length) for target in counted for c in target.run.counts)

    def cell(run: Run, subject: str, length: int) -> str:
        found = (c for c in run.counts if (c.subject, c.sequence_length) == (subject, length))
        return next((_count_words(count) for count in found), DASH)

    rows = tuple(
        (subject, f"{length:,}", *(cell(target.run, subject, length) for target in counted))
        for subject, length in pairs
    )
    columns = ("Model", "Length", *(target.name for target in counted))
    note = f"{EMULATED} Beside it the int8 kernels at work: dotprod, i8mm or neither."
    return Table("counts", "Instructions, millions", columns, rows, note)


def _count_words(count: InstructionCount) -> str:
    return f"{millions(count.median)}, {count.kernels}"


def parity_by_target(targets: Sequence[NamedRun]) -> Table:
    """Whether each file answers there as here."""
    told = [target for target in targets if target.run.parities]

    def cell(run: Run, subject: str) -> str:
        return next((_parity_words(found) for found in run.parities if found.subject == subject), DASH)

    note = "Decisions that differ from this machine's, and the largest difference of a logit or, relative, of a score."
    return _by_subject("parity", "Parity", told, cell, note)


def _parity_words(found: Parity) -> str:
    word = "as here" if found.passed else "NOT as here"
    return f"{word}: {found.flips:,} of {found.n:,} flip, largest difference {difference_words(found)}"


def machines_table(targets: Sequence[NamedRun]) -> Table:
    """One row a target: what it is and how it was measured."""
    columns = (
        "Target",
        "Address",
        "Processor",
        "System",
        "Packages",
        "Governor",
        "Sensors",
        "Noise floor",
        "Started (UTC)",
    )
    rows = tuple(_machine_row(target) for target in targets)
    return Table("machines", "The targets", columns, rows, wide=(0, 1, 2, 3, 4))


def _machine_row(target: NamedRun) -> tuple[str, ...]:
    run, machine = target.run, target.run.machine
    floor = max((noise.floor for noise in run.noise_floors), default=None)
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    return (
        target.name, run.target, processor_words(machine), f"{machine.system}, {machine.architecture}", packages,
        machine.governor or "not shown", sensor_words(run.sensors) if run.measurements else DASH,
        DASH if floor is None else f"{floor:.3f}x", run.started,
    )  # fmt: skip


def _by_subject(
    key: str, title: str, told: Sequence[NamedRun], cell: Callable[[Run, str], str], note: str
) -> Table:  # fmt: skip
    """One row a file that any of these targets ran."""
    labels = dict.fromkeys(facts.label for target in told for facts in target.run.subjects)
    rows = tuple((label, *(cell(target.run, label) for target in told)) for label in labels)
    return Table(key, title, ("Model", *(target.name for target in told)), rows, note)
