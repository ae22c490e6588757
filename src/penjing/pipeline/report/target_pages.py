"""The pages of `penjing bench --report`: one a target, and index.html with all of them side by side.

Each page needs nothing from outside; the run of each target lies beside its page as JSON. Left out: the report of a
`penjing run` (`write.py`).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...benchmarks.measurement import Measurement
from ...benchmarks.results import Run
from ...benchmarks.verdict import judge
from .device_figures import operator_bars
from .device_tables import millions
from .figures import WARM, inside_one_prediction, run_pictures
from .picture import Picture
from .run_tables import run_tables
from .side_by_side import NamedRun, side_tables
from .side_figure import targets_picture
from .svg import colour, drawing_style
from .words import headline_condition, milliseconds, p50_verdict, plural, run_warnings
from .write import page, write_texts

TARGET, INDEX = "target.html.j2", "targets.html.j2"


@dataclass(frozen=True)
class Card:
    """A target on the index: its figure in large, and its page."""

    name: str
    page: str
    value: str
    detail: str


def write_target_report(runs: Sequence[Run], names: Sequence[str], folder: Path) -> Path:
    """Writes `index.html`, and for each target a page and its run as JSON; returns the index.

    `names[i]` is what the user calls the target of `runs[i]`. Raises OutputError when a file cannot be written,
    ValueError when there is no run, or not a name for each.
    """
    targets = [NamedRun(name, run) for name, run in zip(names, runs, strict=True)]
    if not targets:
        raise ValueError("a report needs at least one run")
    stems = page_names(names)
    texts = {"index.html": _index(targets, stems)}
    for target, stem in zip(targets, stems, strict=True):
        texts[f"{stem}.html"] = _target_page(target, stem)
        texts[f"{stem}.json"] = json.dumps(target.run.to_json(), ensure_ascii=False, allow_nan=False) + "\n"
    write_texts(folder, texts)
    return folder / "index.html"


def page_names(names: Sequence[str]) -> list[str]:
    """File names without their ending: letters, digits and dashes, all different, none 'index'."""
    taken = ["index"]
    for name in names:
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "target"
        numbered = (stem if i == 1 else f"{stem}-{i}" for i in itertools.count(1))
        taken.append(next(candidate for candidate in numbered if candidate not in taken))
    return taken[1:]


def _index(targets: Sequence[NamedRun], stems: Sequence[str]) -> str:
    drawn = targets_picture(targets)
    cards = [_card(target, stem) for target, stem in zip(targets, stems, strict=True)]
    files = {facts.label for target in targets for facts in target.run.subjects}
    headline = f"{plural(len(files), 'file')} on {plural(len(targets), 'target')}"
    return page(
        INDEX, [] if drawn is None else [drawn], side_tables(targets),
        headline=headline, cards=cards, warnings=tuple(_index_warnings(targets)),
    )  # fmt: skip


def _target_page(target: NamedRun, stem: str) -> str:
    run = target.run
    written = [table for table in run_tables(run, run.subjects[0].label) if table.rows]
    return page(
        TARGET, _pictures(run), written,
        name=target.name, stem=stem, headline=_headline(run), started=run.started, warnings=tuple(_warnings(run)),
    )  # fmt: skip


def _pictures(run: Run) -> list[Picture]:
    colours = {facts.label: colour(i) for i, facts in enumerate(run.subjects)}
    made = run_pictures(run, colours)
    with drawing_style():
        made += [inside_one_prediction(run)] if run.wrapper else []
    return made + ([operator_bars(run, colours)] if run.profiles else [])


def _card(target: NamedRun, stem: str) -> Card:
    value, detail = _figure(target.run)
    return Card(target.name, f"{stem}.html", value, detail)


def _headline(run: Run) -> str:
    value, detail = _figure(run)
    return f"{value} {detail}" if run.counts and not run.measurements else f"{value}: {detail}"


def _figure(run: Run) -> tuple[str, str]:
    """The first file's median at the headline's condition, else its instructions; and what it is."""
    measured = _first_measured(run)
    if measured is not None:
        verdict = judge(run, measured).word
        return (
            f"{milliseconds(measured.p50)} ms",
            f"{measured.subject}, {measured.condition.words}, {verdict}",
        )
    if run.counts:
        first = run.counts[0].subject
        count = max((c for c in run.counts if c.subject == first), key=lambda c: c.sequence_length)
        about = f"{count.subject}, one inference at length {count.sequence_length:,}"
        return f"{millions(count.median)} million", f"instructions, not time: {about}"
    return "No figure", run.partial or "nothing was measured"


def _first_measured(run: Run) -> Measurement | None:
    if not run.conditions(*WARM):
        return None
    return run.find(run.subjects[0].label, headline_condition(run))


def _warnings(run: Run) -> Iterator[str]:
    if run.partial is not None:
        yield f"Partial: {run.partial}"
    for found in run.parities:
        if not found.passed:
            yield f"{found.subject} does not answer as on this machine: {found.reason}."
    warm = [m for m in run.measurements if m.condition.kind in WARM]
    doubtful = [m for m in warm if judge(run, m).word != "trusted"]
    if doubtful:
        worst = doubtful[0]
        yield (
            f"{len(doubtful)} of {plural(len(warm), 'median')} should not be believed, such as {worst.subject} at"
            f" {worst.condition.words}, {p50_verdict(run, worst)}."
        )
    yield from run_warnings(run)


def _index_warnings(targets: Sequence[NamedRun]) -> Iterator[str]:
    for target in targets:
        if target.run.partial is not None:
            yield f"{target.name} is partial: {target.run.partial}"
    hashes: dict[str, set[str]] = {}
    for facts in (facts for target in targets for facts in target.run.subjects if facts.sha256):
        hashes.setdefault(facts.label, set()).add(facts.sha256)
    for label, found in hashes.items():
        if len(found) > 1:
            yield f"{label} is not the same file on every target: its rows compare different models."
