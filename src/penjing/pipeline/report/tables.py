"""The report's tables of models, cuts, data and training; what was measured is in `run_tables.py`.

Beside every quality figure stand split, n and interval. Left out: how a table is printed.
"""

from __future__ import annotations

from ...compress.prune.sparse_bytes import NOT_FASTER
from .model import ModelRow, Report, Share
from .pruning import budget_rows, plan_columns, plan_table_rows, sparsity_rows
from .run_tables import run_tables
from .table import Table
from .words import DASH, between, megabytes


def tables(report: Report) -> tuple[Table, ...]:
    """All tables that have rows, in reading order."""
    made = [models_table(report), int8_table(report), claims_table(report)]
    made += [budget_table(report), plan_table(report), sparsity_table(report)]
    if report.run is not None:
        made += run_tables(report.run, report.student)
    made += [data_table(report), curves_table(report)]
    return tuple(table for table in made if table.rows)


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


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def _share(share: Share | None) -> str:
    if share is None:
        return DASH
    return f"{share.count} of {share.n:,} ({between(f'{share.low:.1%}', f'{share.high:.1%}')})"
