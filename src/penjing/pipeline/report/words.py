"""Numbers and conditions in words, the headline, its facts, and the warnings: the same in every format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...benchmarks.cold import PIPELINE
from ...benchmarks.compare import HIGH_FLOOR, Comparison
from ...benchmarks.machine import MachineDescription
from ...benchmarks.measurement import MODES, Condition, Measurement
from ...benchmarks.results import Run
from ...benchmarks.sensors import SensorReading
from ...benchmarks.verdict import Verdict, judge
from .model import ModelRow, Report

DASH = "\N{EN DASH}"
"""Between the ends of a range, and alone for what was not measured."""
BUSY = 0.25
"""Above this share of the cores in use before the start, the run says so."""


@dataclass(frozen=True)
class Fact:
    """One large figure under the headline."""

    name: str
    value: str
    detail: str


def milliseconds(value: float | None) -> str:
    """About three significant digits, such as 3.21 or 0.0523; a dash for none."""
    if value is None:
        return DASH
    size = abs(value)
    digits = 4 if size < 0.1 else 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:.{digits}f}"


def between(low: str, high: str) -> str:
    """The range from `low` to `high`."""
    return f"{low}{DASH}{high}"


def megabytes(count: int) -> str:
    """Bytes as MB (1e6 bytes)."""
    digits = 4 if count < 1e5 else 2 if count < 1e7 else 1
    return f"{count / 1e6:.{digits}f}"


def plural(count: int, noun: str) -> str:
    """'1 thread', '2 threads'."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def condition_order(condition: Condition) -> tuple[int, int, int, int]:
    """Sorts conditions for reading: lengths, then real texts, then cold starts; fewer threads, then bursts first."""
    kinds = ("warm", "window", "text", "stream", "cold", "import")
    mode = MODES.index(condition.mode)
    return kinds.index(condition.kind), condition.sequence_length or 0, condition.threads, mode


def p50_verdict(run: Run, measured: Measurement) -> str:
    """'trusted', or the word and its reason."""
    return _said(judge(run, measured))


def verdict_words(run: Run, measured: Measurement) -> str:
    """The verdict on p50 and p90: in one word where both are trusted, else with the reasons."""
    middle, tail = judge(run, measured), judge(run, measured, "p90")
    if middle.word == tail.word:
        return _said(middle)
    return f"p50 {_said(middle)}; p90 {_said(tail)}"


def _said(verdict: Verdict) -> str:
    return verdict.word if verdict.word == "trusted" else f"{verdict.word}: {verdict.reason}"


def processor_words(machine: MachineDescription) -> str:
    """Its name, its cores, and whether it is virtual."""
    return f"{machine.cpu}, {plural(machine.cores, 'core')}{', virtual' if machine.virtual else ''}"


def busy_words(machine: MachineDescription) -> str:
    """How much of the processor was in use before the timing."""
    return "unknown" if machine.busy_share is None else f"{machine.busy_share:.0%} of the cores"


def sensor_words(readings: Sequence[SensorReading]) -> str:
    """'41 to 63 °C, 1,200 to 1,800 MHz' over the whole log, or that nothing was readable."""
    heats = [r.temperature_c for r in readings if r.temperature_c is not None]
    clocks = [r.clock_mhz for r in readings if r.clock_mhz is not None]
    parts = [f"{min(heats):.0f} to {max(heats):.0f} °C"] if heats else []
    parts += [f"{min(clocks):,.0f} to {max(clocks):,.0f} MHz"] if clocks else []
    return ", ".join(parts) or "no sensor was readable"


def headline_condition(run: Run) -> Condition:
    """The engine alone at the longest length with the fewest threads; else real texts."""
    warm = run.conditions("warm", "window") or run.conditions("text")
    return max(warm, key=lambda condition: (condition.sequence_length or 0, -condition.threads))


def headline(report: Report) -> str:
    """One sentence: size, speed, likeness."""
    student = report.model(report.student)
    if student is None:
        return f"{report.recipe}: no file of the student was kept"
    parts = [f"{megabytes(student.bytes)} MB"]
    measured = _student_measurement(report)
    if measured is not None:
        parts.append(f"{milliseconds(measured.p50)} ms ({measured.condition.words})")
    if report.agreement is not None:
        same = report.agreement
        parts.append(f"decides like its teacher on {same.value:.1%} of {same.n:,} {student.split} texts")
    else:
        parts.append(f"{student.metric} {student.value:.3f} on {student.n:,} {student.split} texts")
    return f"{student.label}: {', '.join(parts)}"


def facts(report: Report) -> tuple[Fact, ...]:
    """The large figures, in reading order; those that were not measured are left away."""
    return tuple(_facts(report))


def _facts(report: Report) -> Iterator[Fact]:
    student, teacher = report.model(report.student), report.model(report.teacher)
    if student is None:
        return
    yield Fact("Size", f"{megabytes(student.bytes)} MB", _size_words(student, teacher))
    measured = _student_measurement(report)
    if report.run is not None and measured is not None:
        named = measured.condition.words
        detail = _speed_words(report.run.comparison(report.student, report.teacher or "", measured.condition))
        said = "; ".join(words for words in (named, detail, judge(report.run, measured).word) if words)
        yield Fact("Median latency", f"{milliseconds(measured.p50)} ms", said)
    if report.agreement is not None:
        same = report.agreement
        words = (
            f"of {same.n:,} {student.split} texts decided alike (95%: {between(f'{same.low:.1%}', f'{same.high:.1%}')})"
        )
        yield Fact("Like its teacher", f"{same.value:.1%}", words)
    beside = f"; teacher {teacher.value:.3f}" if teacher else ""
    interval = f"95%: {between(f'{student.low:.3f}', f'{student.high:.3f}')}, n = {student.n:,}"
    yield Fact(student.metric.capitalize(), f"{student.value:.3f}", interval + beside)
    if report.run is not None:
        yield from _cold_facts(report.run, report.student)


def _cold_facts(run: Run, student: str) -> Iterator[Fact]:
    for condition in run.conditions("cold"):
        ours, pipeline = run.find(student, condition), run.find(PIPELINE, condition)
        if ours is None:
            return
        detail = "process start to first answer"
        if pipeline is not None:
            detail = _speed_words(run.comparison(student, PIPELINE, condition))
        yield Fact("Cold start", f"{milliseconds(ours.p50)} ms", f"{detail}; {judge(run, ours).word}")
        if ours.peak_rss_mb is not None:
            saved = ""
            if pipeline is not None and pipeline.peak_rss_mb is not None:
                saved = f"; {PIPELINE} {pipeline.peak_rss_mb:.0f} MB"
            yield Fact("Peak memory", f"{ours.peak_rss_mb:.0f} MB", f"whole process with Python{saved}")


def warnings(report: Report) -> tuple[str, ...]:
    """What a reader must know before believing the figures."""
    return tuple(_warnings(report))


def _warnings(report: Report) -> Iterator[str]:
    if report.data is not None and report.data.duplicates:
        count = plural(report.data.duplicates, "validation text")
        stand = "stands" if report.data.duplicates == 1 else "stand"
        yield f"{count} {stand} in the training data too: the quality figures flatter."
    run = report.run
    if run is None:
        yield "Nothing was timed in this run."
        return
    yield from run_warnings(run)


def run_warnings(run: Run) -> Iterator[str]:
    """What was wrong with the machine while it measured."""
    if noisy := [noise for noise in run.noise_floors if noise.is_high]:
        worst = max(noisy, key=lambda noise: noise.floor)
        yield (
            f"Noisy machine: in {len(noisy)} of {len(run.noise_floors)} conditions one file differed from itself by"
            f" more than {HIGH_FLOOR - 1:.0%} (worst: {worst.floor:.2f}x, {worst.condition.words}). Measure"
            " again on a quiet machine."
        )
    if (run.machine.busy_share or 0) > BUSY:
        yield f"Before the timing began, {run.machine.busy_share:.0%} of the processor was in use by something else."


def _student_measurement(report: Report) -> Measurement | None:
    return report.run.find(report.student, headline_condition(report.run)) if report.run is not None else None


def _size_words(student: ModelRow, teacher: ModelRow | None) -> str:
    words = f"{student.total_parameters:,} parameters" if student.total_parameters else student.file
    if teacher is not None:
        words += f"; teacher {megabytes(teacher.bytes)} MB, {teacher.bytes / student.bytes:.1f}x larger"
    return words


def _speed_words(found: Comparison | None) -> str:
    if found is None:
        return ""
    if found.verdict == "not different":
        return f"not different from {found.baseline}"
    return f"{found.ratio:.1f}x ({between(f'{found.low:.1f}', f'{found.high:.1f}')}) as fast as {found.baseline}"
