"""What `predict` on one text costs beside tokenizer and engine called by hand, and where its time goes.

The two are timed side by side on the same real texts, in passes with both opened anew: where a session lies in memory
moves its times by several percent, as often for one side as for the other. Left out: batches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .by_hand import engine_by_hand, tokenize_by_hand
from .interleave import Call, interleave
from .intervals import Blocks, median_interval
from .latency import Contender, answer_call, open_contender, questions_in_rounds
from .plan import Plan, Subject


@dataclass(frozen=True)
class WrapperCost:
    """Medians over `n` texts, in ms. `overhead` is the median of each text's predict / by hand, 95% interval
    `low`..`high`: 1.1 is 10% more.

    `tokenize_ms` and `engine_ms` are the two parts of the call by hand. Both lists of raw samples have the same texts.
    """

    subject: str
    threads: int
    n: int
    rounds: int
    tokenize_ms: float
    engine_ms: float
    by_hand_ms: float
    predict_ms: float
    overhead: float
    low: float
    high: float
    by_hand_samples_ms: tuple[float, ...]
    predict_samples_ms: tuple[float, ...]

    @property
    def rest_ms(self) -> float:
        """What `predict` takes beyond the two parts; noise can bring it slightly below zero."""
        return self.predict_ms - self.tokenize_ms - self.engine_ms


Times = tuple[Blocks, Blocks, Blocks]
"""Of one subject, in ms: by hand and predict [rounds, repeats], and both parts of the former [texts, 2]."""


def measure_wrapper(subjects: Sequence[Subject], threads: int, plan: Plan) -> list[WrapperCost]:
    """One WrapperCost a subject; all subjects and both ways are interleaved in one run."""
    texts, repeats = questions_in_rounds(plan, plan.rounds)
    share = plan.pass_rounds * repeats
    passes = [_one_pass(subjects, threads, plan, texts[p * share :][:share], p) for p in range(plan.passes)]
    return [
        _cost(subject.label, threads, *(np.concatenate(parts) for parts in zip(*found, strict=True)))
        for subject, found in zip(subjects, zip(*passes, strict=True), strict=True)
    ]


def _one_pass(subjects: Sequence[Subject], threads: int, plan: Plan, texts: Sequence[str], part: int) -> list[Times]:
    contenders = [open_contender(subject, threads) for subject in subjects]
    parts = [np.zeros((len(texts), 2)) for _ in contenders]
    calls: list[Call] = []
    for contender, stages in zip(contenders, parts, strict=True):
        calls += [_by_hand(contender, texts, threads, stages), answer_call(contender, texts)]
    rounds, repeats = plan.pass_rounds, len(texts) // plan.pass_rounds
    title = "predict beside by hand"
    times = interleave(calls, rounds=rounds, repeats=repeats, seed=plan.seed + part, title=title)
    return list(zip(times[::2], times[1::2], parts, strict=True))


def _cost(label: str, threads: int, hand: Blocks, predicted: Blocks, parts: Blocks) -> WrapperCost:
    ratios = predicted / hand
    low, high = median_interval(ratios)
    tokenize_ms, engine_ms = np.median(parts, axis=0)
    return WrapperCost(
        label, threads, hand.size, len(hand), float(tokenize_ms), float(engine_ms), float(np.median(hand)),
        float(np.median(predicted)), float(np.median(ratios)), low, high, _samples(hand), _samples(predicted),
    )  # fmt: skip


def _by_hand(contender: Contender, texts: Sequence[str], threads: int, stages: Blocks) -> Call:
    """A call that also writes into `stages` [texts, 2] how long each part of text i took, in ms."""
    bundle = contender.predictor.bundle
    tokenize, run = tokenize_by_hand(bundle), engine_by_hand(bundle, contender.facts.file, threads)

    def call(i: int) -> None:
        start = time.perf_counter_ns()
        feed = tokenize(texts[i])
        tokenized = time.perf_counter_ns()
        run(feed)
        stages[i] = (tokenized - start) / 1e6, (time.perf_counter_ns() - tokenized) / 1e6

    return call


def _samples(blocks: Blocks) -> tuple[float, ...]:
    return tuple(round(float(sample), 6) for sample in blocks.reshape(-1))
