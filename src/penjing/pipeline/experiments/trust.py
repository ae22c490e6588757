"""May the figures be believed? The same file measured twice, twenty times over, and what the harness itself costs.

    python -m penjing.pipeline.experiments.trust runs/assistant/bundle --to docs/results/trust.json

Each measurement is a process of its own, which times the file as `penjing bench` does, at the same lengths and thread
counts and twice side by side (A/A); two such processes, one after the other, are a repetition. Left out: days between
the two, for which `penjing compare` takes an unchanged file as control.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ...benchmarks.interleave import interleave
from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...benchmarks.plan import Subject
from ...benchmarks.steps import assemble, check_subjects, steps, take_steps
from ...runtime.bundle import open_bundle
from ...runtime.errors import EngineError
from ..claims import against, make_claim
from ..golden_plan import golden_plan
from ..text_files import write_json

REPETITIONS = 20
EMPTY_CALLS = 1000
OneRun = dict[str, dict[str, float]]
TARGETS = {"trust.within": ">= 0.95", "trust.harness": "< 0.01"}


def main() -> None:
    """Reads the command line; with --one measures once and prints it, else all repetitions."""
    parser = argparse.ArgumentParser(description="The noise of the harness, and what it costs.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--to", type=Path, default=Path("trust.json"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one_run(arguments.bundle)))
        return
    machine = describe_machine()
    cost = harness_cost()
    pairs = [
        [_fresh(arguments.bundle) for _ in range(2)]
        for _ in tqdm(range(REPETITIONS), "repetitions", unit="pair", disable=None)
    ]
    command = f"python -m penjing.pipeline.experiments.trust {arguments.bundle} --to {arguments.to}"
    found = [{**claim, "command": command} for claim in claims(pairs, cost)]
    write_json(arguments.to, {"claims": found, "machine": to_plain(machine), "harness_ms": cost, "pairs": pairs})


def one_run(folder: Path) -> OneRun:
    """The median in ms of a file under each condition, and the noise floors that its A/A pair gives: within the run,
    and of a second run."""
    plan = golden_plan([open_bundle(folder)], None, (1, 2))
    subjects = [Subject("a", folder, "onnx", "fp32")]
    others = [step for step in steps(plan) if step.kind not in ("engine", "answers")]
    findings = list(take_steps(subjects, plan, done=others))
    run = assemble("local", "", describe_machine(), check_subjects(subjects), plan, findings)
    return {
        noise.condition.words: {"p50": noise.first.p50, "within": noise.floor, "floor": noise.between_runs or 1.0}
        for noise in run.noise_floors
    }


def harness_cost() -> list[float]:
    """What a call that does nothing is said to take, in ms: the clock's two readings and the call."""
    (blocks,) = interleave([lambda i: None], rounds=20, repeats=EMPTY_CALLS // 20, seed=1, title="nothing")
    return [float(sample) for sample in blocks.reshape(-1)]


def claims(pairs: Sequence[Sequence[OneRun]], cost: Sequence[float]) -> list[dict[str, Any]]:
    """How often two runs differ by less than the first's floor, how far they differ, and the harness."""
    both = [(first[words], second[words]) for first, second in pairs for words in first]
    moved = [max(a["p50"], b["p50"]) / min(a["p50"], b["p50"]) for a, b in both]
    floors = [a["floor"] for a, _ in both]
    within = sum(m <= floor for m, floor in zip(moved, floors, strict=True))
    inside = sum(m <= a["within"] for m, (a, _) in zip(moved, both, strict=True))
    n = len(both)
    found = [
        make_claim("trust.within", within / n, "share", None, n),
        make_claim("trust.inside", inside / n, "share", None, n),
        make_claim("trust.moved", statistics.median(moved), "x", (min(moved), max(moved)), n),
        make_claim("trust.floor", statistics.median(floors), "x", (min(floors), max(floors)), n),
        make_claim("trust.harness", float(np.median(cost)), "share", None, len(cost)),
    ]
    why = (
        "missed on this machine, which drifts by more from run to run than its runs can see; see `pairs`."
        " `penjing compare` takes an unchanged file as control for that"
    )
    return [against(claim, TARGETS[claim["id"]], why) if claim["id"] in TARGETS else claim for claim in found]


def _fresh(bundle: Path) -> OneRun:
    command = [sys.executable, "-m", "penjing.pipeline.experiments.trust", str(bundle), "--one"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"a measurement failed: {done.stderr.strip().splitlines()[-1]}")
    found: OneRun = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
