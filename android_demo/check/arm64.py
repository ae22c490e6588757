"""Runs the arm64 engine out of an APK on every golden of the APK's bundles, on emulated cores.

    python arm64.py APK --headers AAR --work FOLDER

The library is the one that a phone loads; what it wants of Android are stand-ins (bionic_libraries.py), and the program
is Penjing's native runner. Each ONNX file must decide as here, and its fp32 numbers must be the same but for rounding.
Left out: Java's side of the engine, Android's kernel, time, and cores with SME, whose int8 answers this emulator gets
wrong.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from bionic_libraries import COMPILER, SOURCE, build_stand_ins, imports

from penjing.benchmarks.arm64.boards import find_board, write_board
from penjing.benchmarks.arm64.emulator import Emulator
from penjing.benchmarks.latency import describe
from penjing.benchmarks.native_runner import SOURCES, RunnerJob, parse_answer, write_feeds
from penjing.benchmarks.parity import Feed, Parity, answers_here, compare_answers, failed_parity, parity_feeds
from penjing.benchmarks.plan import Plan, Subject, subjects_of
from penjing.runtime.bundle import Bundle, open_bundle
from penjing.runtime.errors import PenjingError, TargetError

CORES = ("cortex-a53", "cortex-a76")
"""Without and with the instructions for int8 dot products: other kernels."""
ABI = "lib/arm64-v8a/"
ENGINE = "libonnxruntime.so"
BUNDLES = "assets/bundles/"
SYSTEM = Path("/usr/aarch64-linux-gnu/lib")
"""glibc for arm64, of Debian's cross compiler."""
LARGEST = 1e-5
"""Difference of an fp32 answer: the other processor adds up in another order."""


def main() -> int:
    """Prints a line a file and core; 1 when one answers otherwise."""
    parser = argparse.ArgumentParser(description="The arm64 engine out of an APK, on the goldens.")
    parser.add_argument("apk", type=Path)
    parser.add_argument("--headers", type=Path, required=True, metavar="AAR")
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    roots = prepare(arguments.apk, arguments.headers, arguments.work)
    parities = [
        (core, parity)
        for bundle in sorted(path.parent for path in (arguments.work / "bundles").glob("*/manifest.json"))
        for core, root in roots.items()
        for parity in bundle_parities(bundle, core, root)
    ]
    for core, one in parities:
        shown = one.reason or f"{one.n - one.flips} of {one.n} decided alike, off by {one.largest_difference:.1e}"
        print(f"{'ok ' if one.passed else 'BAD'}  {core:12} {one.subject:36} {shown}")
    bad = sum(not one.passed for _, one in parities)
    if bad or not parities:
        print(f"arm64.py: {bad} of {len(parities)} files answer otherwise", file=sys.stderr)
    return 0 if parities and not bad else 1


def prepare(apk: Path, headers: Path, work: Path) -> dict[str, Path]:
    """Unpacks the APK's library and bundles, builds the rest, and gives a root for each of the CORES."""
    shutil.rmtree(work, ignore_errors=True)
    system = work / "system"
    system.mkdir(parents=True)
    with zipfile.ZipFile(apk) as archive:
        (system / ENGINE).write_bytes(archive.read(ABI + ENGINE))
        for name in archive.namelist():
            if name.startswith(BUNDLES):
                target = work / "bundles" / name.removeprefix(BUNDLES)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    with zipfile.ZipFile(headers) as archive:
        for name in archive.namelist():
            if name.startswith("headers/") and not name.endswith("/"):
                (work / Path(name).name).write_bytes(archive.read(name))
    build_stand_ins(imports(system / ENGINE), system)
    build_runner(work, system / "runner")
    return {core: make_root(core, system, work / core) for core in CORES}


def build_runner(headers: Path, out: Path) -> None:
    """Penjing's runner with the room that Android's code takes for itself in each thread."""
    words = [
        COMPILER,
        "-std=gnu11",
        "-O2",
        "-I",
        str(headers),
        str(SOURCES / "runner.c"),
        str(SOURCE / "thread_room.c"),
    ]
    subprocess.run([*words, "-o", str(out), "-ldl", "-lm"], check=True)


def make_root(core: str, system: Path, root: Path) -> Path:
    """What the emulated program sees as /: glibc, the engine, and the core's own /proc and /sys."""
    root.mkdir()
    (root / "lib").symlink_to(SYSTEM)
    (root / "system").symlink_to(system)
    write_board(find_board(core), root)
    return root


def bundle_parities(folder: Path, core: str, root: Path) -> list[Parity]:
    """Of each ONNX file of a bundle."""
    bundle = open_bundle(folder)
    feeds = parity_feeds(bundle, Plan(texts=("an alarm at six",)))
    write_feeds(root / "feeds", feeds)
    subjects = subjects_of([(bundle.manifest.name, bundle)], lambda name, file: f"{name}/{file}")
    return [parity_of(bundle, subject, feeds, core, root) for subject in subjects if subject.engine == "onnx"]


def parity_of(bundle: Bundle, subject: Subject, feeds: Sequence[Feed], core: str, root: Path) -> Parity:
    """Of one file. A file that does not run there is a failed parity."""
    facts = describe(subject)
    try:
        there = np.array(run_there(core, root, bundle.verified(facts.file)))
        parity = compare_answers(bundle, facts, answers_here(bundle, facts.file, feeds), there)
    except TargetError as error:
        return failed_parity(facts, str(error))
    if facts.precision == "fp32" and parity.passed and parity.largest_difference > LARGEST:
        return replace(parity, passed=False, reason=f"off by {parity.largest_difference:.1e}, not {LARGEST:g}")
    return parity


def run_there(core: str, root: Path, model: Path) -> Sequence[Sequence[float]]:
    """The answers to root/feeds, one a feed. Raises TargetError when it does not run."""
    emulator = Emulator(root, find_board(core).qemu_cpu)
    words = ["system/runner", *RunnerJob().arguments([(str(root / "feeds"), str(model.resolve()))])]
    printed = emulator.run(words, {"PENJING_ONNXRUNTIME": str(root / "system" / ENGINE)})
    return parse_answer(printed).models[0].outputs


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PenjingError as error:
        sys.exit(f"arm64.py: {error}")
