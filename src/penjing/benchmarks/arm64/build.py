"""Builds what we wrote in C for an emulated core: the counting plugin for this machine, markers and runner for aarch64.

They lie in `opt/penjing` of the userland, and are built again when their sources have changed. Left out: plugins for
qemu from 9.1 on, whose interface differs; it refuses ours with a message.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ...runtime.errors import TargetError
from ..native_runner import HEADER, SOURCES, build_runner
from .host_tools import CROSS_COMPILER, check_tools

PLUGIN = "opt/penjing/libarmcost.so"
MARK = "opt/penjing/libmark.so"
RUNNER = "opt/penjing/penjing_runner"
STAMP = "opt/penjing/sources.sha256"


def refresh_programs(root: Path) -> None:
    """Builds them again if those in `root` are of other sources than ours. Raises TargetError as `build_programs`."""
    stamp = root / STAMP
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != _digest():
        build_programs(root)


def build_programs(root: Path) -> None:
    """Builds all three into `root`, which has ONNX Runtime's header. Raises TargetError when a compiler fails."""
    check_tools(["gcc", CROSS_COMPILER])
    (root / "opt" / "penjing").mkdir(parents=True, exist_ok=True)
    build_library("gcc", SOURCES / "armcost.c", root / PLUGIN)
    build_library(CROSS_COMPILER, SOURCES / "mark.c", root / MARK)
    build_runner(CROSS_COMPILER, find_header(root), root / RUNNER)
    (root / STAMP).write_text(_digest(), encoding="ascii")


def build_library(compiler: str, source: Path, out: Path, words: Sequence[str] = ()) -> None:
    """Builds a shared library of one source. Raises TargetError with the compiler's first error."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-shared", "-fPIC", *words, str(source), "-o", str(part)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        part.unlink(missing_ok=True)
        line = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise TargetError(f"{compiler} cannot build {source.name}: {line.strip()}")
    os.replace(part, out)  # another process may be running the old one


def find_header(root: Path) -> Path:
    """The header of ONNX Runtime's C interface in the userland. Raises TargetError when its package has moved it."""
    found = sorted((root / "usr" / "include").rglob(HEADER))
    if not found:
        raise TargetError(f"Debian's package of ONNX Runtime's headers has no {HEADER}: report this")
    return found[0]


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
