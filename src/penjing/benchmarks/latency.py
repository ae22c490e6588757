"""Warm latency: the engine alone at fixed lengths, and whole answers to real texts or to samples of a stream.

Subjects are opened once for each thread count and timed side by side (`interleave.py`). Left out: cold starts
(`cold.py`) and what `predict` costs beside its parts (`wrapper.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import Detector, Embedder, Predictor, load
from ..runtime.bundle import choose_file, open_bundle
from ..runtime.errors import BundleError
from .interleave import Call, Loop, Timing, run_loop
from .intervals import Blocks
from .measurement import Condition, Kind, Measurement
from .plan import Plan, Subject, SubjectFacts

Feed = Mapping[str, NDArray[Any]]
Watch = Callable[[], object]


def nobody() -> None:
    """Watches nothing."""


@dataclass(frozen=True)
class Contender:
    """An opened subject."""

    facts: SubjectFacts
    predictor: Predictor | Detector | Embedder


def open_contender(subject: Subject, threads: int) -> Contender:
    """Loads the bundle's file; raises BundleError or EngineError as `penjing.runtime.load` does."""
    return Contender(describe(subject), load(subject.folder, subject.engine, subject.precision, threads))


def describe(subject: Subject) -> SubjectFacts:
    """Which file the subject is, from the manifest alone."""
    bundle = open_bundle(subject.folder)
    name = choose_file(bundle, subject.engine, subject.precision)
    file = bundle.manifest.files[name]
    quality = next((entry for entry in bundle.manifest.quality if entry.file == name), None)
    precision = file.precision or "fp32"
    return SubjectFacts(
        subject.label, bundle.manifest.name, name, file.format, precision, file.bytes, file.sha256, quality
    )


def measure_warm(
    contenders: Sequence[Contender], length: int, threads: int, plan: Plan, watch: Watch = nobody, part: int = 0
) -> list[Measurement]:
    """Times `engine.run` on `length` real token ids, or on a detector's window of that length, batch 1, in pass `part`.

    `watch` is called between rounds. Raises BundleError when a subject takes fewer tokens than that.
    """
    feeds = [engine_feed(contender, length, plan) for contender in contenders]
    calls = [_engine_call(contender, feed) for contender, feed in zip(contenders, feeds, strict=True)]
    unit = "tokens" if plan.samples is None else "samples"
    title = f"{length} {unit}, {threads} threads"
    timings = run_loop(calls, _loop(plan, plan.repeats, title, watch, part))
    kind: Kind = "warm" if plan.samples is None else "window"
    return _measurements(contenders, Condition(kind, length, threads, plan.mode), timings)


def measure_answers(
    contenders: Sequence[Contender], threads: int, plan: Plan, watch: Watch = nobody, part: int = 0
) -> list[Measurement]:
    """Times whole answers: single texts asked (tokenizer, engine and what follows it), or `push` of single
    samples into a stream (ring buffer, engine, threshold and policy). Texts as samples make no stream: none of them."""
    if any(isinstance(c.predictor, Detector) and c.predictor.tokenizer is not None for c in contenders):
        return []
    kind: Kind = "text" if plan.samples is None else "stream"
    questions, repeats = questions_in_rounds(plan, plan.pass_rounds)
    calls = [answer_call(contender, questions) for contender in contenders]
    title = f"real {'texts' if kind == 'text' else 'samples'}, {threads} threads"
    timings = run_loop(calls, _loop(plan, repeats, title, watch, part))
    return _measurements(contenders, Condition(kind, None, threads, plan.mode), timings)


def questions_in_rounds(plan: Plan, rounds: int) -> tuple[list[Any], int]:
    """The questions in equal shares for `rounds`, and how many each gets; the first ones again fill the last.
    A paced run, a second a question, asks only as many as the plan repeats."""
    asked = plan.questions
    share = plan.repeats if plan.mode == "paced" else -(-len(asked) // rounds)
    return [asked[i % len(asked)] for i in range(share * rounds)], share


def engine_feed(contender: Contender, length: int, plan: Plan) -> Feed:
    """What the engine alone is timed on, [1, length, ...]. Raises BundleError as `fixed_feed` does."""
    if plan.samples is None:
        return fixed_feed(contender, length, plan.texts)
    return {spec.name: plan.samples[:1] for spec in contender.predictor.engine.inputs}


def fixed_feed(contender: Contender, length: int, texts: Sequence[str]) -> Feed:
    """Inputs [1, length] for the engine, filled with the real texts' ids one after the other, nothing masked."""
    longest = contender.predictor.bundle.manifest.max_length
    if length > longest:
        label = contender.facts.label
        raise BundleError(f"{label} takes at most {longest} tokens, not {length}: choose lengths up to {longest}")
    encoded = _predictor(contender).tokenizer.encode(list(texts[:length]))
    ids = np.resize(encoded.input_ids[encoded.attention_mask == 1], (1, length))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return {spec.name: feed[spec.name] for spec in contender.predictor.engine.inputs}


def _engine_call(contender: Contender, feed: Feed) -> Call:
    run = contender.predictor.engine.run
    return lambda i: run(feed)


def answer_call(contender: Contender, questions: Sequence[Any]) -> Call:
    """Text i asked, or the last row of sample i pushed into a stream."""
    if isinstance(contender.predictor, Detector):
        push = contender.predictor.stream().push
        return lambda i: push(questions[i][-1])
    ask = contender.predictor.ask
    return lambda i: ask(questions[i])


def _predictor(contender: Contender) -> Predictor | Embedder:
    if isinstance(contender.predictor, Detector):
        raise BundleError(f"{contender.facts.label} is a detector, which takes no texts: give samples")
    return contender.predictor


def _loop(plan: Plan, repeats: int, title: str, watch: Watch, part: int) -> Loop:
    seconds = plan.seconds if plan.mode == "sustained" else None
    return Loop(plan.pass_rounds, repeats, plan.seed + part, title, plan.mode == "paced", seconds, watch)


def _measurements(
    contenders: Sequence[Contender], condition: Condition, timings: Sequence[Timing]
) -> list[Measurement]:
    return [
        replace(measurement(c.facts, condition, t.blocks), starts=t.starts, settled=t.settled)
        for c, t in zip(contenders, timings, strict=True)
    ]


def measurement(facts: SubjectFacts, condition: Condition, blocks: Blocks, rss: float | None = None) -> Measurement:
    """A subject's [rounds, calls] milliseconds as a Measurement; microseconds are kept to three places."""
    samples = tuple(round(float(sample), 6) for sample in blocks.reshape(-1))
    return Measurement(
        facts.label, facts.bundle, facts.file, facts.engine, facts.precision, condition, len(blocks), samples, rss
    )
