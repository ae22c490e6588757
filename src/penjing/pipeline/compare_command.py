"""`penjing compare`: two runs of `penjing bench --json`, what is better, worse or not different, and a gate for CI.

Refuses runs of different machines or settings, and says which files are the same and which are not. Left out: the
statistics (`benchmarks/compare_runs.py`), and measuring.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..runtime.errors import DataError, TargetError
from .extras import require
from .terminal import note, print_table

if TYPE_CHECKING:
    from ..benchmarks.paired_runs import Pair, Quantity, Row
    from ..benchmarks.results import Run

COLUMNS = ("subject", "figure", "condition", "before", "after", "change", "95% interval", "verdict", "reason")
EXIT_WORSE = 1
DIGITS = {"latency": ".3f", "memory": ".1f", "instructions": ".0f", "size": ".0f", "quality": ".4f"}
MACHINE = ("cpu", "architecture", "cores", "virtual", "governor")
SETTINGS = ("mode", "threads", "cores", "texts")
SLACK = 0.02
"""A machine's memory differs by as much between two versions of its system."""

WRITTEN = "What `penjing bench --json` wrote, or a report.json."


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE.json", help=WRITTEN)],
    after: Annotated[Path, typer.Argument(metavar="AFTER.json", help="The same, of the version to be judged.")],
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 when any figure is worse.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT=N%",
            help="Smaller changes are none: latency, memory, instructions, size or quality. Repeatable.",
        ),
    ] = None,
    other_machine: Annotated[bool, typer.Option("--other-machine", help="Compare runs of two machines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Says which figures of the second run are better, worse or not different.

    Latency, memory, instructions, size and quality. A difference is one that is larger than the runs' noise and too
    unlikely by chance. Two runs are of two times: for a ratio of two bundles, measure both in one run with
    `penjing bench A B`. Exits with 2 when the runs cannot be compared, of different machines or settings, or when a
    gate finds figures missing.

    \b
    Examples:
      penjing compare main.json branch.json
      penjing compare main.json branch.json --gate --allow latency=10% --allow size=1%
    """
    require("benchmarks")
    from ..benchmarks.compare_runs import compare_runs
    from ..benchmarks.paired_runs import pair_subjects

    allowed = _allowed(allow or [])
    runs = read_run(before), read_run(after)
    check_comparable(*runs, other_machine)
    pairs, rows = pair_subjects(*runs), compare_runs(*runs, allowed)
    if not rows:
        labels = (", ".join(facts.label for facts in run.subjects) for run in runs)
        raise DataError(f"the runs share no figure ({' | '.join(labels)}): measure the same files in the same ways")
    missing = missing_figures(*runs, pairs)
    lines = [*_about(*runs, pairs), *_holds(*runs, pairs, rows), *missing, _summary(rows)]
    _show(rows, lines, as_json)
    worse = sum(row.verdict == "worse" for row in rows)
    if gate and worse:
        note(f"gate: {worse} figures are worse")
        raise typer.Exit(EXIT_WORSE)
    if gate and missing:
        raise DataError(f"gate: {after} lacks figures of {before}: measure them again, or make {before} anew")


def read_run(path: Path) -> Run:
    """The run in a file of `penjing bench --json` or of the demo app, or in one that holds it under `run`, as a report
    does.

    Raises DataError for a file that is missing, no JSON, of a newer schema, or no run.
    """
    from ..benchmarks.results import SCHEMA_VERSION, Run
    from ..benchmarks.twins import fold_twins

    hint = f"write one with `penjing bench BUNDLE --json {path.name}`"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {hint}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON ({str(error)[:80]}): {hint}") from None
    if isinstance(raw, dict) and isinstance(raw.get("run"), dict):
        raw = raw["run"]
    if not isinstance(raw, dict) or "measurements" not in raw:
        raise DataError(f"{path} holds no run: {hint}")
    version = raw.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise DataError(f"{path} has schema version {version!r}, this Penjing reads up to {SCHEMA_VERSION}: update it")
    try:
        return fold_twins(Run.from_json(raw))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} holds a broken run ({type(error).__name__}: {str(error)[:80]}): {hint}") from None


def check_comparable(before: Run, after: Run, other_machine: bool = False) -> None:
    """Raises TargetError that names how the settings differ, or, without `other_machine`, how the machines do."""
    facts = [(s, getattr(before.settings, s), getattr(after.settings, s)) for s in SETTINGS]
    hashes = (before.settings.questions_hash, after.settings.questions_hash)
    settings = _differences([*facts, ("questions", *hashes)] if all(hashes) else facts)  # older runs have no hash
    if settings:
        raise TargetError(f"the runs were measured in different ways ({settings}): measure one of them again")
    machines = machine_differences(before, after)
    if machines and not other_machine:
        step = "measure both on one machine, or add --other-machine"
        raise TargetError(f"the runs are of different machines ({machines}): {step}")


def machine_differences(before: Run, after: Run) -> str:
    """What says that these are two machines, or one in two states; empty when nothing does."""
    a, b = before.machine, after.machine
    facts: list[tuple[str, Any, Any]] = [("target", before.target, after.target)]
    facts += [(name, getattr(a, name), getattr(b, name)) for name in MACHINE]
    if abs(a.memory_mb - b.memory_mb) > SLACK * a.memory_mb:
        facts.append(("memory in MB", a.memory_mb, b.memory_mb))
    lost, gained = (" ".join(sorted(set(x.isa) - set(y.isa))) for x, y in ((a, b), (b, a)))
    return _differences([*facts, ("instruction sets", lost or "none more", gained or "none more")])


def missing_figures(before: Run, after: Run, pairs: Sequence[Pair]) -> list[str]:
    """What `before` measured and `after` did not, a sentence for each subject."""
    names = {pair.before.label: pair.after.label for pair in pairs}
    lost: dict[str, list[str]] = {facts.label: [] for facts in before.subjects if facts.label not in names}
    for m in before.measurements:
        if after.find(names.get(m.subject, m.subject), m.condition) is None:
            lost.setdefault(m.subject, []).append(m.condition.words)
    return [f"only before: {subject} ({'; '.join(words) or 'not measured'})" for subject, words in lost.items()]


def _about(before: Run, after: Run, pairs: Sequence[Pair]) -> list[str]:
    """What the two runs are: times, machines, software and files."""
    lines = [f"before: {before.started} on {before.target}; after: {after.started} on {after.target}"]
    if machines := machine_differences(before, after):
        lines.append(f"different machines: {machines}")
    names = dict.fromkeys((*before.machine.packages, *after.machine.packages))
    versions = [(name, before.machine.packages.get(name), after.machine.packages.get(name)) for name in names]
    system = [(name, getattr(before.machine, name), getattr(after.machine, name)) for name in ("system", "python")]
    if software := _differences([*system, *versions]):
        lines.append(f"other software: {software}")
    for run, name in ((before, "before"), (after, "after")):
        lines += [f"{name} is not whole: {run.partial}"] if run.partial else []
    same = [pair.before.label for pair in pairs if pair.same_file]
    other = [_hashes(pair) for pair in pairs if not pair.same_file]
    lines += [f"same file: {', '.join(same)}"] if same else []
    return [*lines, f"another file: {', '.join(other)}"] if other else lines


def _hashes(pair: Pair) -> str:
    a, b = (facts.sha256[:8] or "no hash" for facts in (pair.before, pair.after))
    label = pair.before.label if pair.before.label == pair.after.label else f"{pair.before.label} | {pair.after.label}"
    return f"{label} ({a} -> {b})"


def _holds(before: Run, after: Run, pairs: Sequence[Pair], rows: Sequence[Row]) -> list[str]:
    """How the ratios are to be read."""
    from ..benchmarks.paired_runs import controls

    timed = [row for row in rows if row.quantity == "latency"]
    unchanged = [pair.before.label for pair in controls(before, after, pairs)]
    lines = []
    if unchanged:
        lines.append(
            f"latency of changed files is relative to an unchanged one of the same runs ({', '.join(unchanged)}): "
            "that takes out what the machine did between the runs"
        )
    elif any(not pair.same_file for pair in pairs) and timed:
        lines.append(
            "no file stayed the same under the same engine, so what the machine did between the runs is in the ratios: "
            "measure both versions in one run (`penjing bench A B`), or one unchanged bundle in both runs"
        )
    elif timed:
        lines.append("every file is the same: what differs is the machine, what it was doing, or the software")
    if timed:
        sure = "the machine's own changes apart, the chance of a false one among them is 5% (Holm 1979)"
        lines.append(f"verdicts on {len(timed)} latency figures: {sure}")
    return lines


def _summary(rows: Sequence[Row]) -> str:
    from ..benchmarks.compare import HIGH_FLOOR

    counts = Counter(row.verdict for row in rows)
    told = ", ".join(f"{counts[word]} {word}" for word in ("worse", "better", "not different", "cannot say"))
    blind = [row for row in rows if row.quantity == "latency" and row.verdict == "not different"]
    hidden = sum(row.floor > HIGH_FLOOR + 1e-9 for row in blind)
    return told + (f"; {hidden} noise floors are above {HIGH_FLOOR}x and may hide a change" if hidden else "")


def _show(rows: Sequence[Row], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        from ..benchmarks.plain import to_plain

        print(json.dumps({"notes": lines, "rows": [to_plain(row) for row in rows]}, ensure_ascii=False))
        return
    for line in lines[:-1]:
        note(line)
    print_table(COLUMNS, [_cells(row) for row in rows])
    note(lines[-1])


def _cells(row: Row) -> tuple[str, ...]:
    digits = DIGITS[row.quantity]
    form, end = ("+.4f", "") if row.quantity == "quality" else (".3f", "x")
    interval = "" if row.low is None or row.high is None else f"{row.low:{form}}..{row.high:{form}}"
    values = [f"{value:{digits}} {row.unit}".rstrip() for value in (row.before, row.after)]
    figure = row.figure if row.quantity in ("latency", "instructions") else f"{row.quantity}, {row.figure}"
    reason = f"relative to {row.control}: {row.reason}" if row.control else row.reason
    change = f"{row.change:{form}}{end}"
    return (
        row.subject,
        figure,
        row.condition.words if row.condition else "",
        *values,
        change,
        interval,
        row.verdict,
        reason,
    )


def _allowed(words: Sequence[str]) -> Mapping[Quantity, float]:
    """ALLOWED with the user's own; raises DataError for another name or number."""
    from ..benchmarks.paired_runs import ALLOWED

    allowed = dict(ALLOWED)
    for word in words:
        name, _, number = word.partition("=")
        found: list[Quantity] = [quantity for quantity in ALLOWED if quantity == name.strip()]
        digits = number.strip().removesuffix("%")
        if not found or not digits.replace(".", "", 1).isdecimal() or not float(digits) < 100:
            raise DataError(f"--allow {word!r}: give {', '.join(ALLOWED)} with a percentage, such as latency=5%")
        allowed[found[0]] = float(digits) / 100
    return allowed


def _differences(facts: Sequence[tuple[str, Any, Any]]) -> str:
    return "; ".join(f"{name}: {_words(a)} -> {_words(b)}" for name, a, b in facts if a != b)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(str(part) for part in value)
    return "unknown" if value is None else str(value)
