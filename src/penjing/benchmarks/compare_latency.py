"""Latency in two runs of different times: what became slower, faster, or is not different.

Nothing interleaved the two, so the machine may have changed between them: one teacher's file moved by 1.37x within a
day on one virtual machine (docs/results/sst2-*.json). Where both runs hold files that did not change, a changed file's
latency is therefore taken relative to one of them, its control, both from the same rounds; how far the other unchanged
files still moved is a floor. The interval of a ratio draws the rounds of each run independently, or together where
every call has a question of its own. Holm's step-down procedure (1979) keeps the chance of any false verdict among all
latency figures at 5%, what the machine does between the runs apart. Left out: the statistics (`log_ratios.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .log_ratios import FEWEST_ROUNDS, LogFigure, compare_logs, holm, log_percentile
from .measurement import Measurement
from .paired_runs import Pair, Row, Word, controls
from .results import Run
from .student import LEVEL
from .verdict import Figure, judge_figure

ASKED = ("text", "stream")
"""Kinds of conditions in which every call has a question of its own."""
SHARES: Mapping[Figure, float] = {"p50": 50, "p90": 90}


@dataclass(frozen=True)
class Timed:
    """One measurement in both runs; no pair where it is of no file, as the import of the runtime."""

    pair: Pair | None
    before: Measurement
    after: Measurement

    def differs(self, share: float) -> float:
        """Logarithm of after / before of this percentile."""
        return math.log(self.after.percentile(share) / self.before.percentile(share))


_Floor = tuple[float, str]
"""The smallest ratio that counts, and why."""


def latency_rows(before: Run, after: Run, pairs: Sequence[Pair], allowed: float) -> list[Row]:
    """Two figures a measurement; verdicts come last, because Holm needs every p."""
    timed, unchanged = timed_in_both(before, after, pairs), controls(before, after, pairs)
    drafts = []
    for one in timed:
        beside = [o for o in timed if o.pair in unchanged and o.before.condition == one.before.condition]
        control = _control(one, beside)
        for figure in SHARES:
            floors = [(allowed, f"the allowed {100 * (allowed - 1):.3g}%"), *_noise(before, after, one, figure)]
            floors += [_left_over(other, control, figure) for other in beside if control and other is not control]
            doubt = _doubt(before, after, one, figure, one.pair in unchanged)
            drafts.append((_ratio_row(one, control, figure), max(floors), doubt))
    adjusted = holm([row.p or 0.0 for row, *_ in drafts])
    return [_judge_latency(*draft, p) for draft, p in zip(drafts, adjusted, strict=True)]


def timed_in_both(before: Run, after: Run, pairs: Sequence[Pair]) -> list[Timed]:
    """Every measurement of `before` that `after` holds as well, of a pair or of no file."""
    by_label = {pair.before.label: pair for pair in pairs}
    found = []
    for measured in before.measurements:
        pair = by_label.get(measured.subject)
        other = after.find(pair.after.label if pair else measured.subject, measured.condition)
        if other is not None:
            found.append(Timed(pair, measured, other))
    return found


def _control(one: Timed, beside: Sequence[Timed]) -> Timed | None:
    """The unchanged one beside it that is most like it: of its engine, then of its precision."""
    if one.pair is None or one.pair.same_file:
        return None
    rounds, like = (one.before.rounds, one.after.rounds), (one.after.engine, one.after.precision)
    usable = [other for other in beside if (other.before.rounds, other.after.rounds) == rounds]
    return min(usable, key=lambda o: (o.after.engine != like[0], o.after.precision != like[1]), default=None)


def _noise(before: Run, after: Run, one: Timed, figure: Figure) -> list[_Floor]:
    """What one file differed from itself by in each of the runs (A/A)."""
    floors = []
    for run, name in ((before, "before"), (after, "after")):
        for noise in (noise for noise in run.noise_floors if noise.condition == one.before.condition):
            both = [side.percentile(SHARES[figure]) for side in (noise.first, noise.second)]
            highest = max(noise.floor, noise.between_runs or 1.0, max(both) / min(both))
            floors.append((highest, f"the noise floor of {name} (A/A)"))
    return floors


def _left_over(other: Timed, control: Timed, figure: Figure) -> _Floor:
    moved = math.exp(abs(other.differs(SHARES[figure]) - control.differs(SHARES[figure])))
    return moved, f"how far {other.before.subject}, the same file, moved beside the control"


def _ratio_row(one: Timed, control: Timed | None, figure: Figure) -> Row:
    """Without its floor and verdict; p is of this figure alone."""
    share = SHARES[figure]
    a, b = one.before.blocks, one.after.blocks
    ca, cb = ([control.before.blocks], [control.after.blocks]) if control else ([], [])
    if one.before.condition.kind in ASKED and a.shape == b.shape:
        # Sample i of both had the same question: drawn together, so that long and short ones cancel.
        logs = LogFigure(0.0, 0.0, 1.0), log_percentile([b, *ca], [a, *cb], share)
    else:
        logs = log_percentile([a], ca, share), log_percentile([b], cb, share)
    low, high, p = compare_logs(*logs)
    return Row(
        "latency", one.before.subject, figure, one.before.condition,
        one.before.percentile(share), one.after.percentile(share), "ms", math.exp(logs[1].value - logs[0].value),
        low, high, 1.0, "cannot say", "", control.before.subject if control else None, p,
    )  # fmt: skip


def _doubt(before: Run, after: Run, one: Timed, figure: Figure, is_control: bool) -> str | None:
    """Why a difference would say nothing of the file."""
    if is_control:
        return "the same file: the machine changed, which is taken out of the changed files' ratios"
    for run, measured, name in ((before, one.before, "before"), (after, one.after, "after")):
        # A sustained run is there to show what a hot device does.
        if measured.condition.mode != "sustained" and run.sensors and measured.starts:
            verdict = judge_figure(measured, None, run.sensors, figure)
            if verdict.word == "throttled":
                return f"{name} was throttled: {verdict.reason}"
    return None


def _judge_latency(draft: Row, floor: _Floor, doubt: str | None, p: float) -> Row:
    """`p` is that of the draft after Holm."""
    row, beyond = replace(draft, floor=floor[0], p=p), f"beyond {floor[0]:.3f}x"
    if max(row.change, 1 / row.change) <= floor[0] * (1 + 1e-12):
        return replace(row, verdict="not different", reason=f"within {floor[0]:.3f}x, {floor[1]}")
    if doubt or row.low is None:
        return replace(row, reason=doubt or f"fewer than {FEWEST_ROUNDS} rounds: measure more")
    if p >= LEVEL:
        alone = f"{draft.p:.2g} becomes " if draft.p is not None and draft.p < LEVEL else ""
        return replace(row, reason=f"{beyond}, yet may be chance, p = {alone}{p:.2g} (Holm): measure more rounds")
    word: Word = "worse" if row.change > 1 else "better"
    return replace(row, verdict=word, reason=f"{beyond}, {floor[1]}; p = {p:.1g} (Holm)")
