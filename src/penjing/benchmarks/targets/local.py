"""This machine as a target: all subjects side by side, one of them twice for the noise floor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from ...runtime.errors import BundleError
from ..cold import measure_cold, measure_import
from ..compare import Comparison, NoiseFloor, compare, noise_floor
from ..latency import Contender, describe, measure_answers, measure_warm, open_contender
from ..machine import describe_machine
from ..measurement import Measurement
from ..op_profile import OpProfile, profile_contender
from ..plan import Plan, Subject
from ..results import Run, RunSettings
from ..wrapper import WrapperCost, measure_wrapper

TWIN = " (A/A)"
"""Ends the label under which the first subject is measured a second time."""


def measure(subjects: Sequence[Subject], plan: Plan) -> Run:
    """Measures all subjects in one interleaved run; the first one is the A/A subject and is compared with the others.

    Raises BundleError when there is no subject, two share a label, or one cannot be opened; EngineError when an engine
    is missing.
    """
    if len({subject.label for subject in subjects}) != len(subjects) or not subjects:
        raise BundleError(f"subjects {[s.label for s in subjects]}: name at least one, each with a label of its own")
    started, machine = datetime.now(timezone.utc).isoformat(timespec="seconds"), describe_machine()
    facts = tuple(describe(subject) for subject in subjects)
    entries = [*subjects, replace(subjects[0], label=subjects[0].label + TWIN)]
    found, wrapper, profiles = _measure_warm_side(entries, plan)
    found += [*measure_cold(entries, plan), measure_import(plan)]
    measurements, twins = _split_twins(found)
    floors = _noise_floors(measurements, twins, subjects[0].label)
    settings = RunSettings(
        plan.lengths, plan.threads, plan.rounds, plan.repeats, len(plan.questions), plan.cold_rounds, plan.seed
    )
    comparisons = _compare_pairs(measurements, floors)
    return Run(
        "local", started, machine, settings, facts, measurements, floors, comparisons, tuple(wrapper), tuple(profiles)
    )


def _measure_warm_side(
    entries: Sequence[Subject], plan: Plan
) -> tuple[list[Measurement], list[WrapperCost], list[OpProfile]]:
    """Everything inside this process. Each thread count opens its own engines and closes them before the next."""
    found: list[Measurement] = []
    wrapper: list[WrapperCost] = []
    profiles: list[OpProfile] = []
    for threads in plan.threads:
        contenders = [open_contender(entry, threads) for entry in entries]
        for length in plan.lengths:
            found += measure_warm(contenders, length, threads, plan)
        found += measure_answers(contenders, threads, plan)
        if threads == plan.threads[0]:
            wrapper = measure_wrapper(contenders[:-1], threads, plan) if plan.samples is None else []
            profiles = list(_profile_all(contenders[:-1], threads, plan))
    return found, wrapper, profiles


def _profile_all(contenders: Sequence[Contender], threads: int, plan: Plan) -> Iterable[OpProfile]:
    """At the longest length, where the engine's work weighs most."""
    for contender in contenders if plan.lengths else ():
        profile = profile_contender(contender, max(plan.lengths), threads, plan)
        if profile is not None:
            yield profile


def _split_twins(found: Sequence[Measurement]) -> tuple[tuple[Measurement, ...], tuple[Measurement, ...]]:
    twins = tuple(m for m in found if m.subject.endswith(TWIN))
    return tuple(m for m in found if m not in twins), twins


def _noise_floors(
    measurements: Sequence[Measurement], twins: Sequence[Measurement], label: str
) -> tuple[NoiseFloor, ...]:
    first = {m.condition: m for m in measurements if m.subject == label}
    return tuple(noise_floor(first[twin.condition], twin) for twin in twins)


def _compare_pairs(measurements: Sequence[Measurement], floors: Sequence[NoiseFloor]) -> tuple[Comparison, ...]:
    """Each subject with those after it, under every condition that has a noise floor."""
    compared = []
    for noise in floors:
        alike = [m for m in measurements if m.condition == noise.condition]
        compared += [compare(a, b, noise.floor) for i, a in enumerate(alike) for b in alike[i + 1 :]]
    return tuple(compared)
