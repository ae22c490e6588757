"""What an emulated ARM core tells: parity of a text student and of detectors, how steady its counts are, its set-up.

    python -m penjing.pipeline.experiments.arm_cores runs/assistant/bundle runs/bearings/bundle ... \\
        --to docs/results/arm_cores.json

The first bundle is the student whose counts are repeated and whose parity and counts are timed, alone on the machine.
The userland is built anew in a temporary folder to time it; what that downloads is what `penjing target setup` says.
Left out: any latency, which an emulator cannot know.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...benchmarks.arm64.core import open_core
from ...benchmarks.arm64.replay import count_sections
from ...benchmarks.arm64.userland import folder_mb, set_up_userland
from ...benchmarks.latency import engine_feed, open_contender
from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...benchmarks.plan import Plan, Subject, subjects_of
from ...benchmarks.results import Run
from ...benchmarks.targets.qemu import measure
from ...export.verify import wilson_interval
from ...runtime.bundle import Bundle, open_bundle
from ...runtime.manifest import DETECTOR_TASK
from ..claims import against, make_claim
from ..golden_plan import golden_plan
from ..text_files import write_json

CORES = ("cortex-a53", "cortex-a72", "cortex-a76")
LENGTH, REPEATED = 32, 5
TARGETS = {
    "fp32.largest": "<= 0.0001", "int8.flips": "<= 0.005", "count.spread": "<= 0.001", "setup.seconds": "<= 180",
    "setup.disk": "<= 250", "student.seconds": "<= 60",
}  # fmt: skip


def main() -> None:
    """Reads the command line, measures on every core and writes the claims."""
    parser = argparse.ArgumentParser(description="Parity and counts on emulated ARM cores.")
    parser.add_argument("bundles", type=Path, nargs="+", help="the text student first, then detectors")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    machine, bundles = describe_machine(), [open_bundle(path) for path in arguments.bundles]
    found = setup_claims()
    seconds = time.perf_counter()
    runs = {(core, bundle.manifest.name): measure_bundle(core, bundle) for core in CORES for bundle in bundles[:1]}
    seconds = (time.perf_counter() - seconds) / len(CORES)
    runs |= {(core, bundle.manifest.name): measure_bundle(core, bundle) for core in CORES for bundle in bundles[1:]}
    counts = {core: repeated_counts(core, bundles[0]) for core in CORES}
    found += [make_claim("arm.student.seconds", seconds, "s", None, len(CORES)), *spread_claims(counts)]
    found += [claim for core in CORES for claim in parity_claims(core, [runs[key] for key in runs if key[0] == core])]
    command = "python -m penjing.pipeline.experiments.arm_cores"
    command += f" {' '.join(map(str, arguments.bundles))} --to {arguments.to}"
    write_json(arguments.to, {
        "claims": [{**_targeted(claim), "command": command} for claim in found],
        "machine": to_plain(machine),
        "repeated": counts,
        "runs": [run.to_json() for run in runs.values()],
    })  # fmt: skip


def setup_claims() -> list[dict[str, Any]]:
    """Builds the userland anew; seconds, and MB on disk."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        root = set_up_userland(Path(folder), ask=lambda question: True)
        seconds, megabytes = time.perf_counter() - start, folder_mb(root)
    return [
        make_claim("arm.setup.seconds", seconds, "s", None, 1), make_claim("arm.setup.disk", megabytes, "MB", None, 1),
    ]  # fmt: skip


def measure_bundle(core: str, bundle: Bundle) -> Run:
    """Parity and counts of all of its files; a text bundle at 32 tokens."""
    return measure(f"qemu:{core}", subjects_of([("", bundle)], lambda name, file: file), _plan(bundle))


def repeated_counts(core: str, bundle: Bundle) -> dict[str, list[int]]:
    """Instructions of one inference of each file in five fresh processes."""
    there, plan, found = open_core(core), _plan(bundle), dict[str, list[int]]()
    for subject in subjects_of([("", bundle)], lambda name, file: file):
        contender = open_contender(Subject(subject.label, bundle.folder, subject.engine, subject.precision), 1)
        feed, facts = engine_feed(contender, plan.lengths[0], plan), contender.facts
        path = bundle.verified(facts.file)
        sections = [count_sections(there, path, facts.engine, [feed], 1)[0] for _ in range(REPEATED)]
        found[facts.file] = [section.instructions for section in sections]
    return found


def spread_claims(counts: dict[str, dict[str, list[int]]]) -> list[dict[str, Any]]:
    """The widest spread of five processes, of any file on any core."""
    spreads = [(max(five) - min(five)) / min(five) for files in counts.values() for five in files.values()]
    return [make_claim("arm.count.spread", max(spreads), "share", None, len(spreads))]


def parity_claims(core: str, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The largest difference of fp32 files, and the share of int8 decisions that flip, over all bundles."""
    precision = {(id(run), facts.label): facts.precision for run in runs for facts in run.subjects}
    parities = [(precision[id(run), parity.subject], parity) for run in runs for parity in run.parities]
    fp32 = [parity for kind, parity in parities if kind == "fp32"]
    int8 = [parity for kind, parity in parities if kind != "fp32"]
    asked, flips = sum(parity.n for parity in int8), sum(parity.flips for parity in int8)
    return [
        make_claim(f"arm.{core}.fp32.largest", max(p.largest_difference for p in fp32), "", None, len(fp32)),
        make_claim(f"arm.{core}.int8.flips", flips / asked, "share", wilson_interval(flips, asked), asked),
        make_claim(f"arm.{core}.int8.worst", max(p.flips / p.n for p in int8), "share", None, len(int8)),
    ]


def _plan(bundle: Bundle) -> Plan:
    lengths = None if bundle.manifest.task == DETECTOR_TASK else [LENGTH]
    return golden_plan([bundle], lengths, (1,))


def _targeted(claim: dict[str, Any]) -> dict[str, Any]:
    name = claim["id"].removeprefix("arm.")
    target = next((target for end, target in TARGETS.items() if name.endswith(end)), None)
    return claim if target is None else against(claim, target, "missed in this run; see `runs` and `repeated`")


if __name__ == "__main__":
    main()
