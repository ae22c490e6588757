"""An emulated ARM core as a target: `qemu:cortex-a72`.

Gives what an emulator can know: whether every file answers there as here, how many instructions an inference takes in
several fresh processes, with which int8 kernels and cache misses, and cycles by llvm-mca where that is installed. All
on one thread. Never milliseconds: `Run.measurements` is empty. Left out: the plan's rounds, threads and cores, which
are about time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from ...runtime.bundle import Bundle
from ...runtime.errors import TargetError
from ..arm64.blocks import Section, kernel_use
from ..arm64.core import Core, check_engines, describe_core, open_core
from ..arm64.cycles import model_cycles
from ..arm64.host_tools import can_model_cycles
from ..arm64.replay import answers_there, count_sections
from ..counts import InstructionCount
from ..latency import engine_feed, open_contender
from ..parity import Feed, Parity, answers_here, as_answers, compare_answers, failed_parity, parity_feeds
from ..plan import Plan, Subject, SubjectFacts
from ..results import Run
from ..side_by_side import run_side_by_side
from ..steps import assemble, check_subjects

PREFIX = "qemu:"
PROCESSES = 3
SMALL_BYTES, SMALL_INFERENCES = 1_000_000, 20
"""A small file is counted over this many inferences in each process; of a larger one each is like the next."""
Job = Callable[[], Any]


@dataclass(frozen=True)
class _Work:
    """A subject, `questions` for its parity, and a feed of each of the `lengths`, which are counted."""

    facts: SubjectFacts
    bundle: Bundle
    questions: Sequence[Feed]
    lengths: Sequence[int]
    feeds: Sequence[Feed]

    @property
    def inferences(self) -> int:
        """That are counted in each process."""
        return SMALL_INFERENCES if self.facts.bytes < SMALL_BYTES else 1


@dataclass(frozen=True)
class _Counted:
    """What one process ran, one section a feed, and their cycles; None where none were asked or llvm-mca is missing."""

    sections: tuple[Section, ...]
    cycles: list[float] | None


def measure(target: str, subjects: Sequence[Subject], plan: Plan) -> Run:
    """Parity and counts of all subjects on the core of `target`; as many processes at a time as this machine has cores.

    A file that does not answer there is a failed parity, and what cannot be counted makes the run partial, each with
    its reason. Raises BundleError for subjects that cannot be opened or asked; TargetError for an unknown core, when
    emulator or userland are missing, and when no file runs there.
    """
    core = open_core(target.removeprefix(PREFIX))
    facts, started = check_subjects(subjects), datetime.now(timezone.utc).isoformat(timespec="seconds")
    check_engines(core, {one.engine for one in facts})
    works = [_prepare(subject, plan) for subject in subjects]
    jobs = {key: job for i, work in enumerate(works) for key, job in _jobs(core, i, work).items()}
    found = run_side_by_side(jobs, core.board.core)
    parities = tuple(_parity(work, found[i, "parity"]) for i, work in enumerate(works))
    counted = [[found[i, p] for p in range(PROCESSES)] for i in range(len(works))]
    if not any(parity.n for parity in parities):
        raise TargetError(parities[0].reason)
    counts = tuple(one for work, done in zip(works, counted, strict=True) for one in _counts(core, work, done))
    errors = dict.fromkeys(str(one) for done in counted for one in done if isinstance(one, TargetError))
    run = assemble(target, started, describe_core(core), facts, replace(plan, threads=(1,), cores=None), [])
    return replace(run, parities=parities, counts=counts, partial="; ".join(errors) or None)


def _prepare(subject: Subject, plan: Plan) -> _Work:
    """Raises BundleError as the engine here does, or for lengths that the subject does not take."""
    contender = open_contender(subject, 1)
    bundle = contender.predictor.bundle
    lengths = plan.lengths if plan.samples is None else plan.samples.shape[1:2]
    feeds = [engine_feed(contender, length, plan) for length in lengths]
    return _Work(contender.facts, bundle, parity_feeds(bundle, plan), lengths, feeds)


def _jobs(core: Core, i: int, work: _Work) -> dict[tuple[int, str | int], Job]:
    """One process each: the first that counts models the caches too, which makes it slower."""
    jobs: dict[tuple[int, str | int], Job] = {(i, "parity"): partial(_compare, core, work)}
    return jobs | {(i, p): partial(_count, core, work, p == 0) for p in range(PROCESSES)}


def _compare(core: Core, work: _Work) -> Parity:
    bundle, facts = work.bundle, work.facts
    there = answers_there(core, bundle.verified(facts.file), facts.engine, work.questions)
    here = answers_here(bundle, facts.file, work.questions)
    return compare_answers(bundle, facts, here, as_answers(bundle, there))


def _count(core: Core, work: _Work, memory: bool) -> _Counted:
    if not work.feeds:
        return _Counted((), None)
    path = work.bundle.verified(work.facts.file)
    sections = count_sections(core, path, work.facts.engine, work.feeds, work.inferences, memory)
    return _Counted(sections, model_cycles(sections, core.board.model) if memory and can_model_cycles() else None)


def _parity(work: _Work, found: Parity | TargetError) -> Parity:
    return failed_parity(work.facts, str(found)) if isinstance(found, TargetError) else found


def _counts(core: Core, work: _Work, found: Sequence[_Counted | TargetError]) -> list[InstructionCount]:
    """One a length; none when a process failed."""
    done = [one for one in found if isinstance(one, _Counted)]
    if len(done) < len(found):
        return []
    return [_one_count(core, work, done, n) for n in range(len(work.feeds))]


def _one_count(core: Core, work: _Work, done: Sequence[_Counted], n: int) -> InstructionCount:
    """Of feed `n`, everything per inference."""
    section, cycles, times = done[0].sections[n], done[0].cycles, work.inferences
    use = kernel_use(section)
    return InstructionCount(
        work.facts.label, work.facts.file, work.lengths[n], times,
        tuple(round(one.sections[n].instructions / times) for one in done), use.kernels, use.share,
        round(section.loads / times), round(section.stores / times),
        round(section.l1_misses / times), round(section.l2_misses / times),
        None if cycles is None else cycles[n] / times, None if cycles is None else core.board.model,
    )  # fmt: skip
