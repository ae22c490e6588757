"""The tables of one run on one target: latency and its verdicts, cold starts, operators, the machine.

Beside every latency stand threads, length, number of samples and whether it may be believed. Left out: memory, phases,
sizes and counts (`device_tables.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...benchmarks.cold import IMPORT
from ...benchmarks.compare import NoiseFloor
from ...benchmarks.endurance import endurance
from ...benchmarks.intervals import FEWEST_ROUNDS
from ...benchmarks.measurement import Condition, Measurement
from ...benchmarks.results import Run
from .device_tables import cold_split_table, counts_table, downloads_table, memory_table, parity_table
from .table import Table
from .words import (
    DASH,
    between,
    busy_words,
    condition_order,
    milliseconds,
    p50_verdict,
    processor_words,
    sensor_words,
    verdict_words,
)

TOP_OPERATORS = 5


def run_tables(run: Run, subject: str) -> list[Table]:
    """The tables of one run, with `subject` compared to the others; `penjing bench` prints these alone."""
    return [
        parity_table(run), counts_table(run), speed_table(run, subject), latency_table(run), endurance_table(run),
        cold_table(run, subject),
        cold_split_table(run), memory_table(run), downloads_table(run), wrapper_table(run), operators_table(run),
        noise_table(run), machine_table(run),
    ]  # fmt: skip


def latency_table(run: Run) -> Table:
    """Every warm measurement."""
    rows = []
    for condition in sorted(run.conditions("warm", "window", "text", "stream"), key=condition_order):
        for i, measured in enumerate(m for m in run.measurements if m.condition == condition):
            named = "" if i else condition.words
            rows.append((named, measured.subject, *_times(measured), verdict_words(run, measured)))
    columns = ("Condition", "Model", "p50 ms", "95%", "p90 ms", "p99 ms", "Samples", "Verdict on p50 and p90")
    note = (
        "Batch 1. Tokens: the engine alone. Real texts: a whole prediction, tokenizer included. Verdict: whether the"
        " figure may be believed, by its interval, an A/A pair, drift, clock and temperature. p99 has none."
    )
    return Table("latency", "Latency", columns, tuple(rows), note, wide=(0, 1, 7))


def endurance_table(run: Run) -> Table:
    """What minutes of work did to each file."""
    rows = tuple(
        (
            each.subject, milliseconds(each.first_ms), milliseconds(each.last_ms), f"{each.slowdown:.2f}x",
            str(each.first_rank), str(each.last_rank),
        )
        for each in endurance(run)
    )  # fmt: skip
    columns = ("Model", "First minute, ms", "Last minute, ms", "Slower by", "Rank, first", "Rank, last")
    note = "Medians and ranks (1 is the fastest) under load; a run of under two minutes is halved."
    return Table("endurance", "Sustained load", columns, rows, note)


def speed_table(run: Run, subject: str) -> Table:
    """How many times as fast `subject` is as every other, under every condition."""
    conditions = sorted(run.conditions("warm", "window", "text", "stream", "cold"), key=condition_order)
    baselines = dict.fromkeys(c.baseline for c in run.comparisons if c.subject == subject)
    rows = tuple((baseline, *_speeds(run, subject, baseline, conditions)) for baseline in baselines)
    columns = (f"{subject} compared with", *(condition.words for condition in conditions))
    note = (
        "Ratio of medians of one interleaved run with its 95% interval; above 1 it is the faster one. 'Not different':"
        " the interval holds 1, or the ratio is within the noise floor. With fewer than"
        f" {FEWEST_ROUNDS} rounds (cold starts) the interval is their whole range."
    )
    return Table("speed", "Speed", columns, rows, note)


def _speeds(run: Run, subject: str, baseline: str, conditions: Sequence[Condition]) -> Iterator[str]:
    for condition in conditions:
        found = run.comparison(subject, baseline, condition)
        if found is None:
            yield DASH
        elif found.verdict == "not different":
            yield "not different"
        else:
            yield f"{found.ratio:.2f}x ({between(f'{found.low:.2f}', f'{found.high:.2f}')})"


def cold_table(run: Run, subject: str) -> Table:
    """Fresh processes."""
    rows = []
    for condition in run.conditions("cold", "import"):
        ours = run.find(subject, condition)
        for measured in (m for m in run.measurements if m.condition == condition):
            low, high = measured.p50_interval
            peak = measured.peak_rss_mb if measured.subject != IMPORT else None
            memory = DASH if peak is None else f"{peak:.0f}"
            times = f"{milliseconds(measured.p50)} ({between(milliseconds(low), milliseconds(high))})"
            starts = str(len(measured.samples_ms))
            ratio = _memory_ratio(measured, ours)
            rows.append((measured.subject, times, memory, ratio, starts, p50_verdict(run, measured)))
    columns = (
        "Fresh process",
        "to first answer, ms",
        "Peak memory, MB",
        f"times that of {subject}",
        "Starts",
        "Verdict",
    )
    note = (
        "Process start to first answer with Python's own start, files in the system's cache; in brackets the interval."
        " The import is timed inside the process. The transformers pipeline may use all cores."
    )
    return Table("cold", "Cold start and memory", columns, tuple(rows), note, wide=(0, 5))


def _memory_ratio(measured: Measurement, ours: Measurement | None) -> str:
    if ours is None or measured.peak_rss_mb is None or ours.peak_rss_mb is None:
        return DASH
    return f"{measured.peak_rss_mb / ours.peak_rss_mb:.1f}x"


def wrapper_table(run: Run) -> Table:
    """Where one `predict` spends its time."""
    rows = tuple(
        (
            cost.subject, milliseconds(cost.tokenize_ms), milliseconds(cost.engine_ms), milliseconds(cost.rest_ms),
            milliseconds(cost.predict_ms), milliseconds(cost.by_hand_ms),
            f"{cost.overhead - 1:+.1%} ({cost.low - 1:+.1%} to {cost.high - 1:+.1%})", f"{cost.n:,}",
        )
        for cost in run.wrapper
    )  # fmt: skip
    columns = ("Model", "Tokenizer ms", "Engine ms", "Rest ms", "predict ms", "By hand ms", "Overhead (95%)", "Texts")
    note = "Medians over single texts, the overhead of each text's own. By hand: tokenizers and engine without Penjing."
    return Table("wrapper", "Inside one prediction", columns, rows, note)


def operators_table(run: Run) -> Table:
    """The slowest kinds of operator of every ONNX file."""
    rows = []
    for profile in run.profiles:
        for i, op in enumerate(profile.ops[:TOP_OPERATORS]):
            rows.append(("" if i else profile.subject, op.op, str(op.calls), milliseconds(op.ms), f"{op.share:.0%}"))
    about = f" at {run.profiles[0].sequence_length} tokens" if run.profiles else ""
    note = "From ONNX Runtime's profiler, which slows small operators: read the shares, not the sum."
    columns = ("Model", "Operator", "Calls", "ms", "Share")
    return Table("operators", f"Slowest operators{about}", columns, tuple(rows), note, wide=(0, 1))


def noise_table(run: Run) -> Table:
    """What a difference must exceed to count."""
    rows = tuple(
        (
            n.condition.words,
            f"{n.ratio:.3f}x",
            between(f"{n.low:.3f}", f"{n.high:.3f}"),
            f"{n.floor:.3f}x",
            _between_runs(n),
        )
        for n in run.noise_floors
    )
    of = run.noise_floors[0].first.subject if run.noise_floors else ""
    note = (
        f"{of} entered twice in the same run. The floor is the farther end of the interval. A second run may differ by"
        " more (95%), as the passes of this one did."
    )
    columns = ("Condition", "Itself / itself", "95%", "Floor", "A second run")
    return Table("noise", "Noise floor (A/A)", columns, rows, note)


def _between_runs(noise: NoiseFloor) -> str:
    return "" if noise.between_runs is None else f"up to {noise.between_runs:.3f}x"


def machine_table(run: Run) -> Table:
    """Where and how it was measured."""
    machine = run.machine
    load = "unknown" if machine.load_average is None else f"{machine.load_average:.2f}"
    rows = [
        ("Target", run.target),
        ("Started (UTC)", run.started),
        ("Processor", processor_words(machine)),
        ("Instruction sets", ", ".join(machine.isa) or "unknown"),
        ("Memory", f"{machine.memory_mb:,} MB"),
        ("System", f"{machine.system}, {machine.architecture}, Python {machine.python}"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in machine.packages.items())),
        ("Clock governor", machine.governor or "not shown"),
        ("Load before", f"{load} over a minute, {busy_words(machine)} in use"),
    ]
    if run.measurements:
        rows += [("Method", _method_words(run)), ("Temperature and clock", sensor_words(run.sensors))]
    return Table("machine", "Machine and method", ("What", "Value"), tuple(rows), wide=(0, 1))


def _method_words(run: Run) -> str:
    settings = run.settings
    if settings.mode == "sustained":
        lasted = f"{settings.seconds:.0f} s of " if settings.seconds else ""
        words = f"{lasted}sustained load, calls back to back, random order, seed {settings.seed}"
    else:
        words = f"{settings.rounds} rounds of {settings.repeats} calls, random order, seed {settings.seed}"
    paced = ", one call a second" if settings.mode == "paced" else ""
    pinned = "" if settings.cores is None else f", on cores {', '.join(map(str, settings.cores))}"
    return words + paced + pinned


def _times(measured: Measurement) -> tuple[str, ...]:
    low, high = measured.p50_interval
    return (
        milliseconds(measured.p50), between(milliseconds(low), milliseconds(high)), milliseconds(measured.p90),
        milliseconds(measured.p99), f"{len(measured.samples_ms):,}",
    )  # fmt: skip
