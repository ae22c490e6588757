"""The tables of what a device gives besides latency: memory by cause, phases of a cold start, downloads, and counts.

Counts and answers of an emulated core stand alone; no table here turns them into time. Left out: the pictures
(`device_figures.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from ...benchmarks.counts import InstructionCount
from ...benchmarks.download_size import DownloadSize, Size
from ...benchmarks.memory_use import ARENAS, CAUSES, PHASES, ColdSplit, MemoryUse, memory_parts
from ...benchmarks.parity import Parity
from ...benchmarks.results import Run
from .table import Table
from .words import DASH, between, megabytes, milliseconds

MEMORY_NOTE = (
    "MB (1e6 bytes) after many inferences: private dirty + mapped file pages, medians of fresh processes. Dirty memory"
    " is the process's own; the system may drop mapped pages and read them again. In brackets the least and the most of"
    " all processes. Peak: the largest resident set that ever was."
)
PLUS = "\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}"
EMULATED = "Of one inference on an emulated core: instructions, not time."


def memory_table(run: Run) -> Table:
    """One row a file: what each cause holds, and all of it."""
    columns = (
        "Model",
        *(cause.capitalize() for cause in CAUSES),
        "Private dirty",
        "Total",
        "Peak",
        "Arena",
        "Processes",
    )
    engines = {facts.label: facts.engine for facts in run.subjects}
    told = dict.fromkeys(engines[use.subject] for use in run.memory if use.arena_mb is not None)
    arenas = "".join(f" Arena, {engine}: {ARENAS[engine]}." for engine in told)
    return Table("memory", "Memory by cause", columns, tuple(map(_memory_row, run.memory)), MEMORY_NOTE + arenas)


def _memory_row(use: MemoryUse) -> tuple[str, ...]:
    parts, peak = memory_parts(use), use.stage("peak").peak_mb
    cells = [f"{part.private_dirty_mb:.1f}{PLUS}{part.mapped_file_mb:.1f}" for part in parts] or [DASH] * len(CAUSES)
    dirty, spread = sum(part.private_dirty_mb for part in parts), use.spread("peak")
    span = f" ({between(*(f'{end:.1f}' for end in spread))})" if spread else ""
    own = f"{dirty:.1f}{span}" if parts else DASH
    return use.subject, *cells, own, _mb(memory_total(use)), _mb(peak), _mb(use.arena_mb), str(use.rounds)


def memory_total(use: MemoryUse) -> float | None:
    """MB of all causes, private dirty and mapped; None where the system does not tell them apart."""
    parts = memory_parts(use)
    return sum(part.private_dirty_mb + part.mapped_file_mb for part in parts) if parts else None


def cold_split_table(run: Run) -> Table:
    """One row a file: the phases of a start in a fresh process."""
    phases = split_phases(run)
    columns = ("Fresh process, ms", *(phase.capitalize() for phase in phases), "To first answer", "Starts")
    note = (
        "Medians of each phase, files in the system's cache; the whole is the median of whole starts with the least and"
        f" the most, so the phases may not sum to it.{untold_words(phases)}"
    )
    rows = tuple(_split_row(split, phases) for split in run.cold_splits)
    return Table("cold-split", "Where a cold start's time goes", columns, rows, note)


def split_phases(run: Run) -> tuple[str, ...]:
    """The phases that any of the run's cold starts tells; a native runner has no interpreter."""
    return tuple(phase for phase in PHASES if any(phase in split.samples for split in run.cold_splits))


def untold_words(phases: Sequence[str]) -> str:
    """A sentence on the phases that are missing; empty when none is."""
    missing = [phase for phase in PHASES if phase not in phases]
    return f" Not part of it here: {', '.join(missing)}." if missing else ""


def _split_row(split: ColdSplit, phases: tuple[str, ...]) -> tuple[str, ...]:
    medians, totals = split.medians, sorted(split.totals)
    whole = f"{milliseconds(middle_start(split))} ({between(milliseconds(totals[0]), milliseconds(totals[-1]))})"
    return split.subject, *(milliseconds(medians.get(phase)) for phase in phases), whole, str(len(totals))


def middle_start(split: ColdSplit) -> float:
    """The median of whole starts, in ms."""
    return median(split.totals)


def downloads_table(run: Run) -> Table:
    """One row a file and ABI: what an app downloads for it."""
    columns = ("Model", "ABI", "Model file", "Tokenizer", "Engine library", "Total")
    note = "MB (1e6 bytes) compressed as an APK or zip is, in brackets unpacked."
    rows = tuple(row for size in run.downloads for row in _download_rows(size))
    return Table("downloads", "Download size", columns, rows, note, wide=(0, 1))


def _download_rows(size: DownloadSize) -> Iterator[tuple[str, ...]]:
    model, tokenizer = (size.model, size.model_compressed), (size.tokenizer, size.tokenizer_compressed)
    for i, (abi, engine) in enumerate(size.engine.items()):
        yield ("" if i else size.subject, abi, *map(_packed, (model, tokenizer, engine, size.total(abi))))
    if not size.engine:
        yield size.subject, "no engine library found", _packed(model), _packed(tokenizer), DASH, DASH


def _packed(size: Size) -> str:
    raw, compressed = (megabytes(round(mb * 1e6)) for mb in size)
    return f"{compressed} ({raw})"


def counts_table(run: Run) -> Table:
    """One row a file and length: instructions of an inference, and what a model makes of them."""
    columns = (
        "Model", "Length", "Instructions", "Spread (processes)", "Int8 kernels", "Loads", "Stores", "L1 misses",
        "L2 misses", "Cycles, modelled",
    )  # fmt: skip
    rows = tuple(_count_row(count) for count in run.counts)
    return Table("counts", "Instructions, millions", columns, rows, _counts_note(run))


def _counts_note(run: Run) -> str:
    cores = ", ".join(dict.fromkeys(count.cycle_model for count in run.counts if count.cycle_model))
    cycles = (
        f"Cycles are modelled by llvm-mca for {cores} with all data at hand, never checked against silicon."
        if cores else "Cycles are not told: llvm-mca was not there."
    )  # fmt: skip
    spread = "Spread: the processes' farthest apart, as a share of the median."
    units = (
        "Instructions, loads, stores and cycles are in millions; misses are a cache model's. Int8 kernels: those that"
        " were at work, dotprod, i8mm or neither, and their instructions' share."
    )
    return f"{EMULATED} {units} {spread} {cycles}"


def _count_row(count: InstructionCount) -> tuple[str, ...]:
    cycles = DASH if count.cycles is None else millions(count.cycles)
    kernels = f"{count.kernels} {count.dot_share:.1%}" if count.dot_share else count.kernels
    return (
        count.subject, f"{count.sequence_length:,}", millions(count.median),
        f"{count.spread:.3%} ({len(count.instructions)})", kernels,
        millions(count.loads), millions(count.stores), f"{count.l1_misses:,}", f"{count.l2_misses:,}", cycles,
    )  # fmt: skip


def millions(value: float) -> str:
    """In millions, to the thousand."""
    return f"{value / 1e6:,.3f}"


def parity_table(run: Run) -> Table:
    """One row a file: does it answer there as it does here?"""
    columns = ("Model", "File", "Inputs", "Flips", "Largest difference", "Answers as here")
    note = (
        "The same file, engine and inputs on this machine and there. Flips: decisions that differ. The difference is"
        " that of a logit, or of a score relative to it."
    )
    return Table("parity", "Parity", columns, tuple(map(_parity_row, run.parities)), note, wide=(0, 1, 5))


def _parity_row(found: Parity) -> tuple[str, ...]:
    return (
        found.subject, found.file, f"{found.n:,}", f"{found.flips:,}", difference_words(found),
        "yes" if found.passed else f"NO: {found.reason}",
    )  # fmt: skip


def difference_words(found: Parity) -> str:
    """The largest difference, or that an answer is no number."""
    return "not a number" if math.isnan(found.largest_difference) else f"{found.largest_difference:.2g}"


def _mb(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"
