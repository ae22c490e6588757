"""What the Android app weighs and costs, and how long its proof takes.

    python -m penjing.pipeline.experiments.android android_demo --cache NEW_FOLDER --to docs/results/android.json

Runs `check.sh` twice, the first time into an empty cache folder, then core's `CoreTimes` in fresh processes on this
machine's JVM. Left out: anything that only a phone can tell.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...runtime.errors import DataError, EngineError
from ..claims import against, make_claim
from ..text_files import write_json

STARTS, REPEATS = 15, 3
JARS = (
    "com/microsoft/onnxruntime/onnxruntime/1.29.0/onnxruntime-1.29.0.jar", "org/json/json/20240303/json-20240303.jar",
    "junit/junit/4.13.2/junit-4.13.2.jar",
)  # fmt: skip
"""On core's class path, below the cache's Maven repository."""
TEXTS = "src/penjing/pipeline/recipes/assistant/test.tsv"
TARGETS = {
    "android.apk": "<= 300000",
    "android.first-answer": "<= 400",
    "android.texts": ">= 50000",
    "android.core": "<= 0.05",
    "android.bytes-per-sample": "<= 0",
    "android.check.first": "<= 15",
    "android.check.second": "<= 5",
}
Times = dict[str, Any]


def main() -> None:
    """Reads the command line and measures all of it."""
    parser = argparse.ArgumentParser(description="What the Android app weighs and costs.")
    parser.add_argument("project", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--to", type=Path, default=Path("android.json"))
    arguments = parser.parse_args()
    if arguments.cache.exists():
        raise DataError(f"{arguments.cache} is there already: name a new folder, for the first check downloads all")
    checks = [run_check(arguments.project, arguments.cache) for _ in tqdm(range(2), "checks", disable=None)]
    starts = [core_times(arguments.cache, "first") for _ in tqdm(range(STARTS), "first answers", disable=None)]
    whole = [core_times(arguments.cache) for _ in tqdm(range(REPEATS), "core", disable=None)]
    sizes = json.loads((arguments.cache / "apk/sizes.json").read_text(encoding="utf-8"))["bytes"]
    command = f"python -m penjing.pipeline.experiments.android {arguments.project} --cache NEW --to {arguments.to}"
    found = [{**claim, "command": command} for claim in claims(checks, starts, whole, sizes)]
    machine = to_plain(describe_machine())
    write_json(
        arguments.to,
        {"claims": found, "machine": machine, "checks": checks, "starts": starts, "core": whole, "apk_bytes": sizes},
    )


def run_check(project: Path, cache: Path) -> dict[str, float]:
    """Seconds of each stage of `check.sh`, and of all of it. Raises EngineError with its last line when it fails."""
    began = time.monotonic()
    command = ["sh", str(project / "check.sh"), "--cache", str(cache)]
    environment = {key: value for key, value in os.environ.items() if key not in ("PENJING_BUNDLES", "ANDROID_HOME")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise EngineError(f"check.sh failed: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}")
    stages = {name: float(seconds) for name, seconds in re.findall(r"^(\w+): ok, (\d+) s$", done.stdout, re.MULTILINE)}
    return {**stages, "all": round(time.monotonic() - began, 1)}


def core_times(cache: Path, *words: str) -> Times:
    """What core's `CoreTimes` prints in a process of its own."""
    parts = [cache / "core-target/classes", cache / "core-target/test-classes", *(cache / "m2" / jar for jar in JARS)]
    command = ["java", "-cp", os.pathsep.join(map(str, parts)), "org.penjing.core.CoreTimes"]
    command += [str(cache / "bundles/assistant"), str(cache / "bundles/bearings"), TEXTS, *words]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise EngineError(f"CoreTimes failed: {done.stderr.strip().splitlines()[-1]}")
    found: Times = json.loads(done.stdout.splitlines()[-1])
    return found


def claims(
    checks: Sequence[dict[str, float]], starts: Sequence[Times], whole: Sequence[Times], sizes: dict[str, Any]
) -> list[dict[str, Any]]:
    """Each figure of the issue against its target."""
    first, second = (check["all"] / 60 for check in checks)
    found = [
        make_claim("android.apk", int(sizes["release"]["rest"]), "bytes", None, 1),
        _median("android.first-answer", [run["first_answer_ms"] for run in starts], "ms"),
        _median("android.texts", [run["texts_per_second"] for run in whole], "texts/s"),
        _median("android.core", [run["core_share"] for run in whole], "share"),
        _median("android.bytes-per-sample", [run["bytes_per_push"] for run in whole], "bytes"),
        _median("android.bytes-per-sample-with-engine", [run["bytes_per_push_with_engine"] for run in whole], "bytes"),
        make_claim("android.check.first", first, "min", None, 1),
        make_claim("android.check.second", second, "min", None, 1),
    ]
    why = "missed on this machine; see the samples in this file"
    return [against(claim, TARGETS[claim["id"]], why) if claim["id"] in TARGETS else claim for claim in found]


def _median(name: str, values: Sequence[float], unit: str) -> dict[str, Any]:
    return make_claim(name, statistics.median(values), unit, (min(values), max(values)), len(values))


if __name__ == "__main__":
    main()
