"""Two runs of different times: what became better, worse, or is not different, figure by figure.

Nothing interleaved the two, so the machine may have changed between them: one teacher's file moved by 1.37x within a
day on one virtual machine (docs/results/sst2-*.json). Where both runs hold files that did not change, a changed file's
latency is therefore taken relative to one of them, its control, both from the same rounds; how far the other unchanged
files still moved is a floor. The interval of a ratio draws the rounds of each run independently, or together where
every call has a question of its own. Holm's step-down procedure (1979) keeps the chance of any false verdict among all
latency figures at 5%, what the machine does between the runs apart. Qualities are subtracted, with the interval of Zou
and Donner 2008 (Construction of confidence limits about effect measures). Left out: whether the two may be compared at
all, more than two runs, and decisions compared one by one, which a run does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .intervals import Blocks, block_length
from .measurement import Condition, Measurement
from .memory_use import STAGES
from .plan import SubjectFacts
from .results import Run
from .verdict import Figure, judge_figure

Quantity = Literal["latency", "memory", "size", "quality"]
Word = Literal["better", "worse", "not different", "cannot say"]
ALLOWED: Mapping[Quantity, float] = {"latency": 0.05, "memory": 0.02, "size": 0.001, "quality": 0.005}
"""Smaller changes are none: a share; of quality a difference, as much as a recipe's `metric_drop`."""
UNSEEN = 1.05
"""The least ratio of memory that counts where a run holds only the medians of its processes."""
LEVEL = 0.05
RESAMPLES = 1000
FEWEST_ROUNDS = 3
ASKED = ("text", "stream")
"""Kinds of conditions in which every call has a question of its own."""
SHARES: Mapping[Figure, float] = {"p50": 50, "p90": 90}
SOFTWARE = ("numpy", "tokenizers", "onnxruntime", "ai-edge-litert")
"""Where one of these changed, a file that did not is no control: its speed may have changed with them."""


@dataclass(frozen=True)
class Row:
    """One figure of one subject in both runs, in `unit`.

    `change` is after / before (of both relative to `control`, where there is one), of quality after - before; `low` and
    `high` are its 95% interval, None where nobody can tell. A change up to `floor` (a ratio, of quality a difference)
    is none. `p` is the chance of such a ratio without a change, after Holm.
    """

    quantity: Quantity
    subject: str
    figure: str
    condition: Condition | None
    before: float
    after: float
    unit: str
    change: float
    low: float | None
    high: float | None
    floor: float
    verdict: Word
    reason: str
    control: str | None = None
    p: float | None = None


@dataclass(frozen=True)
class Pair:
    """One subject of both runs."""

    before: SubjectFacts
    after: SubjectFacts

    @property
    def same_file(self) -> bool:
        """Whether the hashes are known and equal."""
        return bool(self.before.sha256) and self.before.sha256 == self.after.sha256


def compare_runs(before: Run, after: Run, allowed: Mapping[Quantity, float] = ALLOWED) -> tuple[Row, ...]:
    """Every figure that both runs hold: latency, memory, size, quality. `allowed` as ALLOWED.

    Raises nothing: runs that share no subject share no row.
    """
    pairs = pair_subjects(before, after)
    rows = _latency_rows(before, after, pairs, 1 + allowed["latency"])
    rows += _memory_rows(before, after, pairs, 1 + allowed["memory"])
    rows += [_size_row(pair, 1 + allowed["size"]) for pair in pairs if pair.before.bytes and pair.after.bytes]
    return tuple(rows + [row for pair in pairs for row in _quality_rows(pair, allowed["quality"])])


def pair_subjects(before: Run, after: Run) -> list[Pair]:
    """The subjects of both runs in the order of `before`: by label, or else by the bundle's name and the file."""
    labels = {facts.label: facts for facts in after.subjects}
    known = {facts.label for facts in before.subjects}
    pairs = []
    for facts in before.subjects:
        place = (facts.bundle, facts.file)
        others = [other for other in after.subjects if (other.bundle, other.file) == place and other.label not in known]
        alike = [other for other in before.subjects if (other.bundle, other.file) == place]
        if facts.label in labels:
            pairs.append(Pair(facts, labels[facts.label]))
        elif len(others) == len(alike) == 1:
            pairs.append(Pair(facts, others[0]))
    return pairs


def controls(before: Run, after: Run, pairs: Sequence[Pair]) -> list[Pair]:
    """The unchanged subjects that show what the machine did between the runs; none where other software changed too."""
    packages = [[run.machine.packages.get(name) for name in SOFTWARE] for run in (before, after)]
    if packages[0] != packages[1] or before.machine.cpu != after.machine.cpu or all(pair.same_file for pair in pairs):
        return []
    return [pair for pair in pairs if pair.same_file]


# Latency


@dataclass(frozen=True)
class _Timed:
    """One measurement in both runs; no pair where it is of no file, as the import of the runtime."""

    pair: Pair | None
    before: Measurement
    after: Measurement

    def differs(self, share: float) -> float:
        """Logarithm of after / before of this percentile."""
        return math.log(self.after.percentile(share) / self.before.percentile(share))


_Floor = tuple[float, str]
"""The smallest ratio that counts, and why."""


def _latency_rows(before: Run, after: Run, pairs: Sequence[Pair], allowed: float) -> list[Row]:
    """Two figures a measurement; verdicts come last, because Holm needs every p."""
    timed, unchanged = _timed(before, after, pairs), controls(before, after, pairs)
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


def _timed(before: Run, after: Run, pairs: Sequence[Pair]) -> list[_Timed]:
    by_label = {pair.before.label: pair for pair in pairs}
    found = []
    for measured in before.measurements:
        pair = by_label.get(measured.subject)
        other = after.find(pair.after.label if pair else measured.subject, measured.condition)
        if other is not None:
            found.append(_Timed(pair, measured, other))
    return found


def _control(one: _Timed, beside: Sequence[_Timed]) -> _Timed | None:
    """The unchanged one beside it that is most like it: of its engine, then of its precision."""
    if one.pair is None or one.pair.same_file:
        return None
    rounds, like = (one.before.rounds, one.after.rounds), (one.after.engine, one.after.precision)
    usable = [other for other in beside if (other.before.rounds, other.after.rounds) == rounds]
    return min(usable, key=lambda o: (o.after.engine != like[0], o.after.precision != like[1]), default=None)


def _noise(before: Run, after: Run, one: _Timed, figure: Figure) -> list[_Floor]:
    """What one file differed from itself by in each of the runs (A/A)."""
    floors = []
    for run, name in ((before, "before"), (after, "after")):
        for noise in (noise for noise in run.noise_floors if noise.condition == one.before.condition):
            both = [side.percentile(SHARES[figure]) for side in (noise.first, noise.second)]
            floors.append((max(noise.floor, max(both) / min(both)), f"the noise floor of {name} (A/A)"))
    return floors


def _left_over(other: _Timed, control: _Timed, figure: Figure) -> _Floor:
    moved = math.exp(abs(other.differs(SHARES[figure]) - control.differs(SHARES[figure])))
    return moved, f"how far {other.before.subject}, the same file, moved beside the control"


def _ratio_row(one: _Timed, control: _Timed | None, figure: Figure) -> Row:
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


def _doubt(before: Run, after: Run, one: _Timed, figure: Figure, is_control: bool) -> str | None:
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


# Memory, size, quality


def _memory_rows(before: Run, after: Run, pairs: Sequence[Pair], allowed: float) -> list[Row]:
    """What each stage of a start holds, and the peak; where a run has no stages, the peak of its cold starts."""
    rows = []
    for pair in pairs:
        a = next((use for use in before.memory if use.subject == pair.before.label), None)
        b = next((use for use in after.memory if use.subject == pair.after.label), None)
        if a is None or b is None or a.threads != b.threads:
            rows += _cold_peaks(before, after, pair, allowed)
            continue
        for name, field in [*((stage, "private_dirty_mb") for stage in STAGES[1:4]), ("peak", "peak_mb")]:
            figure = "peak" if name == "peak" else f"private dirty, {name}"
            ends = (getattr(a.stage(name), field), getattr(b.stage(name), field))
            rows += _memory_row(pair, figure, *ends, allowed, (a.spread(name, field), b.spread(name, field)))
    return rows


def _cold_peaks(before: Run, after: Run, pair: Pair, allowed: float) -> list[Row]:
    colds = (t for t in _timed(before, after, [pair]) if t.pair is pair and t.before.condition.kind == "cold")
    peaks = [(t.before.peak_rss_mb, t.after.peak_rss_mb) for t in colds]
    return [row for peak in peaks for row in _memory_row(pair, "peak", *peak, max(allowed, UNSEEN))]


def _memory_row(
    pair: Pair, figure: str, before: float | None, after: float | None, allowed: float,
    spreads: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
) -> list[Row]:  # fmt: skip
    """The range over fresh processes is the interval: three are too few for any other. As a model's allocations come in
    steps that differ from process to process, the whole range must be beyond the allowed."""
    if not before or not after:
        return []
    a, b = spreads
    low, high = (None, None) if a is None or b is None else (b[0] / a[1], b[1] / a[0])
    row = Row(
        "memory", pair.before.label, figure, None, before, after, "MB", after / before, low, high, allowed, "worse", ""
    )
    apart = low is None or high is None or low > allowed or high < 1 / allowed
    return [_judge(row, None if apart else "not so of every process: measure again")]


def _size_row(pair: Pair, allowed: float) -> Row:
    a, b = pair.before.bytes, pair.after.bytes
    return _judge(Row("size", pair.before.label, "file", None, a, b, "bytes", b / a, None, None, allowed, "worse", ""))


def _quality_rows(pair: Pair, allowed: float) -> list[Row]:
    """More is better. The two are taken as independent; on the same rows the true interval is narrower."""
    a, b = pair.before.quality, pair.after.quality
    if a is None or b is None:
        return []
    change, down, up = b.value - a.value, (b.value - b.low, a.high - a.value), (b.high - b.value, a.value - a.low)
    low, high = change - math.hypot(*down), change + math.hypot(*up)
    row = Row(
        "quality", pair.before.label, a.metric, None, a.value, b.value, "", change, low, high, allowed, "worse", ""
    )
    asked = [f"{q.metric} on {q.n} of {q.split}" for q in (a, b)]
    if asked[0] != asked[1]:
        return [replace(row, verdict="cannot say", reason=f"{asked[0]} before, {asked[1]} after")]
    return [_judge(row, f"the interval holds 0: more than {a.n} rows could tell" if low <= 0 <= high else None)]


def _judge(row: Row, doubt: str | None = None) -> Row:
    """The verdict where there is no p."""
    moved = row.change if row.quantity == "quality" else -math.log(row.change)
    floor = row.floor if row.quantity == "quality" else math.log(row.floor)
    limit = f"{row.floor:g}" if row.quantity == "quality" else f"{100 * (row.floor - 1):.3g}%"
    if abs(moved) <= floor + 1e-12:
        reason = "equal" if row.before == row.after else f"within the allowed {limit}"
        return replace(row, verdict="not different", reason=reason)
    if doubt:
        return replace(row, verdict="cannot say", reason=doubt)
    return replace(row, verdict="better" if moved > 0 else "worse", reason=f"more than the allowed {limit}")


# Statistics


@dataclass(frozen=True)
class LogFigure:
    """A logarithm of percentiles, its standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float


def log_percentile(above: Sequence[Blocks], below: Sequence[Blocks], share: float) -> LogFigure:
    """Logarithms of the percentile of each of `above` less those of each of `below`, all [rounds, calls].

    The standard error is by the circular block bootstrap over rounds (`intervals.py`), all of them drawn together. With
    fewer than FEWEST_ROUNDS it is infinite.
    """
    signed = [*((1, side) for side in above), *((-1, side) for side in below)]
    value = sum(sign * math.log(np.percentile(side, share)) for sign, side in signed)
    n = len(above[0])
    if n < FEWEST_ROUNDS:
        return LogFigure(value, math.inf, 1.0)
    length = block_length(
        sum((sign * np.log(np.percentile(side, share, axis=1)) for sign, side in signed), np.zeros(n))
    )
    starts = np.random.default_rng(0).integers(n, size=(RESAMPLES, -(-n // length)))
    draws = (starts[:, :, None] + np.arange(length)).reshape(RESAMPLES, -1)[:, :n] % n
    drawn = np.zeros(RESAMPLES)
    for sign, side in signed:
        drawn += sign * np.log(np.percentile(side[draws].reshape(RESAMPLES, -1), share, axis=1))
    independent = max(n / length, 2.0)
    error = float(np.std(drawn, ddof=1)) * math.sqrt(independent / (independent - 1))
    return LogFigure(value, error, independent - 1)


def compare_logs(before: LogFigure, after: LogFigure) -> tuple[float | None, float | None, float]:
    """95% interval of after / before, and the chance p of so large a ratio without a change (Welch's t)."""
    error, change = math.hypot(before.error, after.error), after.value - before.value
    if math.isinf(error):
        return None, None, 1.0
    if error == 0:
        return math.exp(change), math.exp(change), float(change == 0)
    freedom = error**4 / (before.error**4 / before.freedom + after.error**4 / after.freedom)
    half = error * student_point(freedom)
    return math.exp(change - half), math.exp(change + half), student_tail(change / error, freedom)


def holm(chances: Sequence[float]) -> list[float]:
    """Each p adjusted so that calling all below 5% a finding makes any false one with a chance of 5% (Holm 1979)."""
    adjusted, largest = [0.0] * len(chances), 0.0
    for rank, i in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[i]))
        adjusted[i] = largest
    return adjusted


def student_tail(t: float, freedom: float) -> float:
    """Two-sided tail of Student's t: with t = sqrt(freedom) tan(angle) its density is cos(angle)**(freedom - 1)."""
    start = math.atan(abs(t) / math.sqrt(freedom))
    return float(_cosines(start, freedom)[-1] / _cosines(0.0, freedom)[-1])


def student_point(freedom: float, level: float = LEVEL) -> float:
    """The t that leaves `level` in both tails together."""
    sums = _cosines(0.0, freedom)
    angle = np.interp((1 - level) * sums[-1], sums, np.linspace(0, math.pi / 2, len(sums) + 1)[1:])
    return math.sqrt(freedom) * math.tan(angle)


def _cosines(start: float, freedom: float) -> Blocks:
    """Integral of cos**(freedom - 1) from `start` to each of 4000 angles up to a right one, by the midpoint rule."""
    width = (math.pi / 2 - start) / 4000
    steps: Blocks = np.cumsum(np.cos(start + width * (np.arange(4000) + 0.5)) ** (freedom - 1)) * width
    return steps
