"""What `penjing bench` prints of a run: times with their verdicts, memory, and of emulated cores parity and counts."""

from __future__ import annotations

from ..benchmarks.counts import InstructionCount
from ..benchmarks.endurance import endurance
from ..benchmarks.measurement import Measurement
from ..benchmarks.memory_use import MemoryUse
from ..benchmarks.parity import Parity
from ..benchmarks.results import Run
from ..benchmarks.verdict import judge
from .terminal import note, print_table

TIMES = (
    "subject", "kind", "tokens", "threads", "p50 ms", "p90 ms", "p99 ms", "samples", "peak RSS MB", "p50 verdict",
    "reason",
)  # fmt: skip
MEMORY = ("subject", "stage", "private dirty MB", "mapped files MB", "RSS MB", "PSS MB")
PARITY = ("subject", "inputs", "flips", "largest difference", "parity")
COUNTS = (
    "subject", "tokens", "instructions", "spread", "int8 kernels", "L1 misses", "L2 misses", "modelled cycles",
    "model",
)  # fmt: skip


def print_run(run: Run) -> None:
    """Every table that the run has rows for, an empty line between two, then what there is to say, on stderr."""
    tables = (
        (TIMES, [_time_row(run, measurement) for measurement in run.measurements]),
        (MEMORY, [row for use in run.memory for row in _memory_rows(use)]),
        (PARITY, [_parity_row(parity) for parity in run.parities]),
        (COUNTS, [_count_row(count) for count in run.counts]),
    )
    for i, (columns, rows) in enumerate(table for table in tables if table[1]):
        if i:
            print()
        print_table(columns, rows)
    for line in run_lines(run):
        note(line)


def run_lines(run: Run) -> list[str]:
    """The machine, what is missing, and how each file compares with the first one, a sentence each."""
    machine, first = run.machine, run.subjects[0].label
    known = run.measurements and machine.busy_share is not None
    busy = f", {round(100 * (machine.busy_share or 0))}% busy before the run" if known else ""
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    lines = [f"{machine.cpu}, {cores}{busy}"]
    if run.partial:
        lines.append(f"not whole: {run.partial}")
    if between := [(n.between_runs, n.condition.words) for n in run.noise_floors if n.between_runs is not None]:
        low, high = min(between), max(between)
        lines.append(f"noise floor of a second run: {low[0]:.3f}x ({low[1]}) to {high[0]:.3f}x ({high[1]})")
    for c in run.comparisons:
        if first in (c.subject, c.baseline):
            lines.append(f"{c.condition.words}: {c.sentence()}")
    for e in endurance(run):
        ranks = f"rank {e.first_rank} in the first minute, {e.last_rank} in the last"
        lines.append(f"{e.subject}: {e.first_ms:.3f} ms, then {e.last_ms:.3f} ({e.slowdown:.2f}x); {ranks}")
    return lines


def _time_row(run: Run, m: Measurement) -> tuple[str, ...]:
    condition, verdict = m.condition, judge(run, m)
    p99 = "" if m.p99 is None else f"{m.p99:.3f}"
    rss = "" if m.peak_rss_mb is None else f"{m.peak_rss_mb:.0f}"
    tokens = "" if condition.sequence_length is None else str(condition.sequence_length)
    times = (f"{m.p50:.3f}", f"{m.p90:.3f}", p99)
    where = (m.subject, condition.kind, tokens, str(condition.threads))
    return *where, *times, str(len(m.samples_ms)), rss, verdict.word, verdict.reason


def _memory_rows(use: MemoryUse) -> list[tuple[str, ...]]:
    """Of the stages of which the machine tells anything."""
    figures = ("private_dirty_mb", "mapped_file_mb", "rss_mb", "pss_mb")
    rows = [(use.subject, s.name, *(_mb(getattr(s, figure)) for figure in figures)) for s in use.stages]
    return [row for row in rows if any(row[2:])]


def _mb(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _parity_row(p: Parity) -> tuple[str, ...]:
    return p.subject, str(p.n), str(p.flips), f"{p.largest_difference:.2g}", p.reason or "same decisions"


def _count_row(c: InstructionCount) -> tuple[str, ...]:
    cycles = ("", "") if c.cycles is None else (f"{c.cycles:.0f}", f"llvm-mca {c.cycle_model}, no silicon")
    misses = (str(c.l1_misses), str(c.l2_misses))
    return c.subject, str(c.sequence_length), f"{c.median:.0f}", f"{c.spread:.4%}", c.kernels, *misses, *cycles
