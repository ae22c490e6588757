"""What `predict` on one text costs beside tokenizer and engine called by hand, and where its time goes.

The two are timed side by side on the same real texts. Left out: batches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .by_hand import engine_by_hand, tokenize_by_hand
from .interleave import Call, interleave
from .intervals import Blocks, ratio_interval
from .latency import Contender, answer_call, questions_in_rounds
from .plan import Plan


@dataclass(frozen=True)
class WrapperCost:
    """Medians over `n` texts, in ms. `overhead` is predict / by hand, 95% interval `low`..`high`: 1.1 is 10% more.

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


def measure_wrapper(contenders: Sequence[Contender], threads: int, plan: Plan) -> list[WrapperCost]:
    """One WrapperCost a contender; all contenders and both ways are interleaved in one run."""
    texts, repeats = questions_in_rounds(plan, plan.rounds)
    parts = [np.zeros((len(texts), 2)) for _ in contenders]
    calls: list[Call] = []
    for contender, stages in zip(contenders, parts, strict=True):
        calls += [_by_hand(contender, texts, threads, stages), answer_call(contender, texts)]
    times = interleave(calls, rounds=plan.rounds, repeats=repeats, seed=plan.seed, title="predict beside by hand")
    return [
        _cost(contender.facts.label, threads, times[2 * c], times[2 * c + 1], parts[c])
        for c, contender in enumerate(contenders)
    ]


def _cost(label: str, threads: int, hand: Blocks, predicted: Blocks, parts: Blocks) -> WrapperCost:
    low, high = ratio_interval(predicted, hand)
    tokenize_ms, engine_ms = np.median(parts, axis=0)
    by_hand_ms, predict_ms = float(np.median(hand)), float(np.median(predicted))
    return WrapperCost(
        label, threads, hand.size, len(hand), float(tokenize_ms), float(engine_ms), by_hand_ms, predict_ms,
        predict_ms / by_hand_ms, low, high, _samples(hand), _samples(predicted),
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
