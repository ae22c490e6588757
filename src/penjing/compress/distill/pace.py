"""Phases within minutes: every method learns for about as long on this machine, however long one of its steps takes.

A few steps of each phase are timed first, forwards and backwards, and all phases are made longer or shorter by one
factor, so that their shares stay. The factor is kept, so that a run that was stopped goes on as it began. Left out:
evaluations, which take no part in the minutes, and asking the teacher, which all seeds share.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..tokens import sorted_batches
from ..training import has_fast_bf16, process_state, still, write_whole
from .lessons import Lessons
from .method import Phase

PACE_NAME = "pace.json"
WARM_UP, TIMED = 2, 8
"""Steps of each phase."""


def within_minutes(phases: Sequence[Phase], lessons: Lessons, minutes: float, folder: Path) -> tuple[Phase, ...]:
    """The phases with epochs that take about `minutes` in all. `folder` keeps `pace.json`: the seconds of a step of
    each phase, and the factor."""
    phases = [phase for phase in phases if phase.plan.epochs]
    with process_state().main_process_first():
        if not (folder / PACE_NAME).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            seconds = {phase.name: _seconds_of_a_step(phase, lessons) for phase in phases}
            pace = {"seconds": seconds, "factor": minutes * 60 / whole_seconds(phases, len(lessons.texts), seconds)}
            write_whole(folder / PACE_NAME, json.dumps(pace))
    factor = json.loads((folder / PACE_NAME).read_text(encoding="utf-8"))["factor"]
    return tuple(replace(phase, plan=replace(phase.plan, epochs=phase.plan.epochs * factor)) for phase in phases)


def whole_seconds(phases: Sequence[Phase], texts: int, seconds: dict[str, float]) -> float:
    """How long the phases take as they are planned, by the `seconds` of a step of each."""
    return sum(phase.plan.epochs * -(-texts // phase.plan.batch_size) * seconds[phase.name] for phase in phases)


def _seconds_of_a_step(phase: Phase, lessons: Lessons) -> float:
    """Mean over batches of all lengths; the weights stay as they are."""
    device = process_state().device
    model = phase.model.to(device).train()
    batches = _of_all_lengths(lessons.texts.lengths, phase.plan.batch_size)
    times = []
    with still(model, phase.rates):
        for indices in [*batches[:WARM_UP], *batches]:
            started = time.perf_counter()
            with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16()):
                loss = phase.loss(model, indices)
            loss.backward()  # type: ignore[no-untyped-call]
            model.zero_grad(set_to_none=True)
            loss.item()  # a GPU has finished only now
            times.append(time.perf_counter() - started)
    model.eval()
    return statistics.fmean(times[WARM_UP:])


def _of_all_lengths(lengths: NDArray[np.int64], batch_size: int) -> list[list[int]]:
    """As many batches as are timed, from the shortest texts to the longest ones, evenly spaced."""
    batches = sorted_batches(lengths, batch_size)
    return [batches[int((i + 0.5) * len(batches) / TIMED)] for i in range(TIMED)]
