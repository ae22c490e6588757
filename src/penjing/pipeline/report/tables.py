"""The report's tables, as values that `markdown.py` and the HTML template both print.

Beside every quality figure stand split, n and interval, beside every latency threads, length and number of samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...benchmarks.cold import IMPORT
from ...benchmarks.intervals import FEWEST_ROUNDS
from ...benchmarks.measurement import Condition, Measurement
from ...benchmarks.results import Run
from ...compress.prune.sparse_bytes import NOT_FASTER
from .model import ModelRow, Report, Share
from .pruning import budget_rows, plan_columns, plan_table_rows, sparsity_rows
from .words import DASH, between, condition_order, condition_words, megabytes, milliseconds, plural

TOP_OPERATORS = 5


@dataclass(frozen=True)
class Table:
    """`wide` are the columns (numbers from 0) that hold words, not figures. `key` is where the HTML page puts it."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    wide: tuple[int, ...] = (0,)


def tables(report: Report) -> tuple[Table, ...]:
    """All tables that have rows, in reading order."""
    made = [models_table(report), int8_table(report), claims_table(report)]
    made += [budget_table(report), plan_table(report), sparsity_table(report)]
    if report.run is not None:
        made += run_tables(report.run, report.student)
    made += [data_table(report), curves_table(report)]
    return tuple(table for table in made if table.rows)


def run_tables(run: Run, subject: str) -> list[Table]:
    """The tables of one run, with `subject` compared to the others; `penjing bench` prints these alone."""
    return [
        speed_table(run, subject), latency_table(run), cold_table(run, subject), wrapper_table(run),
        operators_table(run), noise_table(run), machine_table(run),
    ]  # fmt: skip


def models_table(report: Report) -> Table:
    """One row a model file."""
    about = report.models[0] if report.models else None
    quality = f"{about.metric.capitalize()} ({about.split})" if about else "Quality"
    columns = (
        "Model", "Parameters", "without embeddings", "MB on disk", quality, "95%", "n", "Flips",
        "Largest logit difference",
    )  # fmt: skip
    note = (
        "Flips: decisions that differ from the torch model the file was exported from, with the 95% interval of their"
        " share. Parameters are those of the torch model."
    )
    if report.seeds:
        note += f" Seeds: {', '.join(map(str, report.seeds))}."
    return Table("models", "Models", columns, tuple(_model_row(row) for row in report.models), note)


def _model_row(row: ModelRow) -> tuple[str, ...]:
    difference = DASH if row.logit_difference is None else f"{row.logit_difference:.2g}"
    return (
        row.label, _count(row.total_parameters), _count(row.non_embedding_parameters), megabytes(row.bytes),
        f"{row.value:.4f}", between(f"{row.low:.3f}", f"{row.high:.3f}"), f"{row.n:,}",
        _share(row.flips), difference,
    )  # fmt: skip


def int8_table(report: Report) -> Table:
    """The student's int8 files before and after it was trained for int8."""
    rows = []
    for before in report.before:
        after = report.model(before.label)
        if after is not None:
            values = f"{before.value:.4f}", f"{after.value:.4f}"
            rows.append((before.label, f"{before.n:,}", *values, _share(before.flips), _share(after.flips)))
    columns = ("Training for int8", "n", "Quality before", "after", "Flips before", "after")
    note = (
        "An int8 file broke the limits, so the student was trained with its values rounded as in int8. Flips after it"
        " are counted against the torch model as trained. That training's curve counts the texts decided right both"
        " with the rounding and without it."
    )
    return Table("int8", "Training for int8", columns, tuple(rows), note)


def claims_table(report: Report) -> Table:
    """Targets, met or missed."""
    rows = []
    for claim in report.claims:
        interval = between(*(f"{end:.4g}" for end in claim.interval)) if claim.interval else DASH
        met = "yes" if claim.met else f"NO: {claim.why}" if claim.why else "NO"
        value = f"{claim.value:.4g} {claim.unit}".strip()
        rows.append((claim.id, value, interval, _count(claim.n), claim.target, met, claim.command))
    columns = ("Claim", "Value", "95%", "n", "Target", "Met", "Made by")
    return Table("claims", "Claims", columns, tuple(rows), wide=(0, 5, 6))


def budget_table(report: Report) -> Table:
    """What the cut was to cost, should cost and does cost."""
    columns = ("Round", "Cost", "Before", "Asked, at most", "Predicted", "Got")
    note = (
        "Got: counted on the model that came out; bytes are those of the file, milliseconds its median here. Predicted"
        " milliseconds are those of a table of single layers, measured here before the cut."
    )
    return Table("budget", "Budget of the cut", columns, tuple(budget_rows(report.cuts)), note, wide=(1,))


def plan_table(report: Report) -> Table:
    """The plan of every round, part by part."""
    note = "Each line's savings are those of its own cut, made after the cuts above it."
    return Table("plan", "Plan of the cut", plan_columns(), tuple(plan_table_rows(report.cuts)), note, wide=(1,))


def sparsity_table(report: Report) -> Table:
    """What a sparse student's zeros save once its weights are coded."""
    columns = ("Precision", "Weights", "Zeros", "MB dense", "MB entropy coded")
    return Table("sparsity", "What sparsity buys", columns, tuple(sparsity_rows(report.coded)), NOT_FASTER)


def latency_table(run: Run) -> Table:
    """Every warm measurement."""
    rows = []
    for condition in sorted(run.conditions("warm", "window", "text", "stream"), key=condition_order):
        for i, measured in enumerate(m for m in run.measurements if m.condition == condition):
            rows.append(("" if i else condition_words(condition), measured.subject, *_times(measured)))
    columns = ("Condition", "Model", "p50 ms", "95%", "p90 ms", "p99 ms", "Samples")
    note = "Batch 1. Tokens: the engine alone. Real texts: a whole prediction, tokenizer included."
    return Table("latency", "Latency", columns, tuple(rows), note, wide=(0, 1))


def speed_table(run: Run, subject: str) -> Table:
    """How many times as fast `subject` is as every other, under every condition."""
    conditions = sorted(run.conditions("warm", "window", "text", "stream", "cold"), key=condition_order)
    baselines = dict.fromkeys(c.baseline for c in run.comparisons if c.subject == subject)
    rows = tuple((baseline, *_speeds(run, subject, baseline, conditions)) for baseline in baselines)
    columns = (f"{subject} compared with", *(condition_words(condition) for condition in conditions))
    note = (
        "Ratio of medians of one interleaved run with its 95% interval; above 1 the student is faster. 'Not different':"
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
            rows.append((measured.subject, times, memory, _memory_ratio(measured, ours), starts))
    columns = ("Fresh process", "to first answer, ms", "Peak memory, MB", "times the student's", "Starts")
    note = (
        "Process start to first answer with Python's own start, files in the system's cache; in brackets the interval."
        " The import is timed inside the process. The transformers pipeline may use all cores."
    )
    return Table("cold", "Cold start and memory", columns, tuple(rows), note)


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
    note = "Medians over single texts. By hand: the tokenizers and engine libraries without Penjing, on the same texts."
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
        (condition_words(n.condition), f"{n.ratio:.3f}x", between(f"{n.low:.3f}", f"{n.high:.3f}"), f"{n.floor:.3f}x")
        for n in run.noise_floors
    )
    of = run.noise_floors[0].first.subject if run.noise_floors else ""
    note = f"{of} entered twice in the same run. The floor is the farther end of the interval."
    return Table("noise", "Noise floor (A/A)", ("Condition", "Itself / itself", "95%", "Floor"), rows, note)


def machine_table(run: Run) -> Table:
    """Where and how it was measured."""
    machine, settings = run.machine, run.settings
    load = "unknown" if machine.load_average is None else f"{machine.load_average:.2f}"
    rows = (
        ("Target", run.target),
        ("Started (UTC)", run.started),
        ("Processor", f"{machine.cpu}, {plural(machine.cores, 'core')}{', virtual' if machine.virtual else ''}"),
        ("Instruction sets", ", ".join(machine.isa) or "unknown"),
        ("Memory", f"{machine.memory_mb:,} MB"),
        ("System", f"{machine.system}, {machine.architecture}, Python {machine.python}"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in machine.packages.items())),
        ("Clock governor", machine.governor or "not shown"),
        ("Load before", f"{load} over a minute, {machine.busy_share:.0%} of the cores in use"),
        ("Method", f"{settings.rounds} rounds of {settings.repeats} calls, random order, seed {settings.seed}"),
    )
    return Table("machine", "Machine and method", ("What", "Value"), rows, wide=(0, 1))


def data_table(report: Report) -> Table:
    """Rows of the splits, and what stands in two of them."""
    if report.data is None:
        return Table("data", "Data", (), ())
    rows = [(name, f"{count:,}") for name, count in report.data.rows.items()]
    rows.append(("validation texts that are in training too", f"{report.data.duplicates:,}"))
    quoted = "; ".join(repr(text[:60]) for text in report.data.examples[:3])
    return Table("data", "Data", ("Split", "Rows"), tuple(rows), f"For example {quoted}." if quoted else "")


def curves_table(report: Report) -> Table:
    """The best point of every training phase."""
    rows = []
    for curve in (curve for curve in report.curves if curve.points):
        best = max(curve.points, key=lambda point: point.metric)
        last = curve.points[-1]
        rows.append((curve.label, f"{last.step:,}", f"{last.loss:.4f}", f"{best.metric:.4f}", f"{best.step:,}"))
    columns = ("Training", "Steps", "Last loss", "Best metric", "at step")
    return Table("curves", "Training", columns, tuple(rows))


def _times(measured: Measurement) -> tuple[str, ...]:
    low, high = measured.p50_interval
    return (
        milliseconds(measured.p50), between(milliseconds(low), milliseconds(high)), milliseconds(measured.p90),
        milliseconds(measured.p99), f"{len(measured.samples_ms):,}",
    )  # fmt: skip


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def _share(share: Share | None) -> str:
    if share is None:
        return DASH
    return f"{share.count} of {share.n:,} ({between(f'{share.low:.1%}', f'{share.high:.1%}')})"
