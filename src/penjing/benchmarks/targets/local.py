"""This machine as a target: all subjects side by side, one of them twice for the noise floor."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

from ...runtime.errors import TargetError
from ..machine import describe_machine
from ..plan import Plan, Subject
from ..results import Run
from ..steps import assemble, check_subjects, take_steps
from ..twins import TWIN

__all__ = ["TWIN", "measure", "pinned"]


def measure(subjects: Sequence[Subject], plan: Plan) -> Run:
    """Measures all subjects in one interleaved run; the first one is the A/A subject and is compared with the others.

    Raises BundleError when there is no subject, two share a label, or one cannot be opened; EngineError when an engine
    is missing; TargetError when the plan's cores are not there.
    """
    facts, started = check_subjects(subjects), datetime.now(timezone.utc).isoformat(timespec="seconds")
    with pinned(plan.cores):
        machine = describe_machine()
        findings = list(take_steps(subjects, plan))
    return assemble("local", started, machine, facts, plan, findings)


@contextmanager
def pinned(cores: Sequence[int] | None) -> Iterator[None]:
    """Keeps this process, and those it starts, on these cores; on all it had again afterwards.

    Raises TargetError for cores that this process may not use, or where the system cannot pin.
    """
    if cores is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise TargetError("this system cannot keep a process on chosen cores: leave --cores out")
    before = os.sched_getaffinity(0)
    if not set(cores) <= before:
        raise TargetError(f"cores {sorted(cores)}: this process may use {sorted(before)}")
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
