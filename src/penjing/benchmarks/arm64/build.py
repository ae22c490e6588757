"""Builds what we wrote in C for an emulated core: the counting plugin for this machine, markers and runner for aarch64.

They lie in `opt/penjing` of the userland. Left out: plugins for qemu from 9.1 on, whose interface differs; it refuses
ours with a message.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from ...runtime.errors import TargetError
from ..native_runner import HEADER, SOURCES, build_runner
from .host_tools import CROSS_COMPILER, check_tools

PLUGIN = "opt/penjing/libarmcost.so"
MARK = "opt/penjing/libmark.so"
RUNNER = "opt/penjing/penjing_runner"


def build_programs(root: Path) -> None:
    """Builds all three into `root`, which has ONNX Runtime's header. Raises TargetError when a compiler fails."""
    check_tools(["gcc", CROSS_COMPILER])
    (root / "opt" / "penjing").mkdir(parents=True, exist_ok=True)
    build_library("gcc", SOURCES / "armcost.c", root / PLUGIN)
    build_library(CROSS_COMPILER, SOURCES / "mark.c", root / MARK)
    build_runner(CROSS_COMPILER, find_header(root), root / RUNNER)


def build_library(compiler: str, source: Path, out: Path, words: Sequence[str] = ()) -> None:
    """Builds a shared library of one source. Raises TargetError with the compiler's first error."""
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-shared", "-fPIC", *words, str(source), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        line = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise TargetError(f"{compiler} cannot build {source.name}: {line.strip()}")


def find_header(root: Path) -> Path:
    """The header of ONNX Runtime's C interface in the userland. Raises TargetError when its package has moved it."""
    found = sorted((root / "usr" / "include").rglob(HEADER))
    if not found:
        raise TargetError(f"Debian's package of ONNX Runtime's headers has no {HEADER}: report this")
    return found[0]
