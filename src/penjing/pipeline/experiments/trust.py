"""May the figures be believed? The same file measured twice, twenty times over, and what the harness itself costs.

    python -m penjing.pipeline.experiments.trust runs/assistant/bundle --to docs/results/trust.json

Each measurement is a process of its own, which opens the file twice (A/A) and times both side by side; two such
processes, one after the other, are a repetition. Left out: days between the two, for which `penjing compare` takes an
unchanged file as control.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ...benchmarks.compare import noise_floor
from ...benchmarks.interleave import interleave
from ...benchmarks.latency import measure_warm, open_contender
from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...benchmarks.plan import Subject
from ...benchmarks.steps import TWIN
from ...runtime.bundle import open_bundle
from ...runtime.errors import EngineError
from ..claims import against, make_claim
from ..golden_plan import golden_plan
from ..text_files import write_json

REPETITIONS, LENGTH = 20, 32
EMPTY_CALLS = 1000
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


def one_run(folder: Path) -> dict[str, float]:
    """The median in ms of a file at 32 tokens on one thread, and the noise floor of its A/A pair."""
    bundle = open_bundle(folder)
    plan = golden_plan([bundle], [LENGTH], (1,))
    subject = Subject("a", folder, "onnx", "fp32")
    twins = [open_contender(replace(subject, label=label), 1) for label in ("a", f"a{TWIN}")]
    first, second = measure_warm(twins, LENGTH, 1, plan)
    return {"p50": first.p50, "floor": noise_floor(first, second).floor}


def harness_cost() -> list[float]:
    """What a call that does nothing is said to take, in ms: the clock's two readings and the call."""
    (blocks,) = interleave([lambda i: None], rounds=20, repeats=EMPTY_CALLS // 20, seed=1, title="nothing")
    return [float(sample) for sample in blocks.reshape(-1)]


def claims(pairs: Sequence[Sequence[dict[str, float]]], cost: Sequence[float]) -> list[dict[str, Any]]:
    """How often two runs differ by less than the floor that they printed, how far they differ, and the harness."""
    moved = [max(a["p50"], b["p50"]) / min(a["p50"], b["p50"]) for a, b in pairs]
    floors = [max(one["floor"] for one in pair) for pair in pairs]
    within = sum(m <= floor for m, floor in zip(moved, floors, strict=True))
    n = len(pairs)
    found = [
        make_claim("trust.within", within / n, "share", None, n),
        make_claim("trust.moved", statistics.median(moved), "x", (min(moved), max(moved)), n),
        make_claim("trust.floor", statistics.median(floors), "x", (min(floors), max(floors)), n),
        make_claim("trust.harness", float(np.median(cost)), "share", None, len(cost)),
    ]
    why = (
        "missed on this machine, which drifts by more within a minute than a run of a second can see; see `pairs`."
        " `penjing compare` takes an unchanged file as control for that"
    )
    return [against(claim, TARGETS[claim["id"]], why) if claim["id"] in TARGETS else claim for claim in found]


def _fresh(bundle: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "penjing.pipeline.experiments.trust", str(bundle), "--one"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"a measurement failed: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
