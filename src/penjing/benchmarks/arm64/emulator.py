"""Runs aarch64 programs of the userland in qemu's user mode, with the same environment and addresses every time.

What such a program opens is looked for in the root first, so programs, libraries and the board's files are found there.
A program that dies of a signal becomes a TargetError. Left out: programs that start others (they would be this
machine's), and time, which an emulator does not tell.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...runtime.errors import TargetError
from .host_tools import EMULATOR, check_tools

PYTHON = "/usr/bin/python3.11"
SITE = "/opt/site"
LONGEST_SECONDS = 900
REASONS = {
    signal.SIGILL: "the core lacks an instruction that the kernels need: choose a core that has it, or another file",
    signal.SIGSEGV: "it crashed: run `penjing target setup qemu`, or choose another core",
    signal.SIGABRT: "it gave up: give this machine more memory, or choose another file",
    signal.SIGKILL: "it was stopped: give this machine more memory",
}


@dataclass(frozen=True)
class Emulator:
    """`root` is the userland or a board's root, `cpu` what qemu's -cpu takes; `plugin` goes to -plugin."""

    root: Path
    cpu: str
    plugin: str | None = None

    def run(self, words: Sequence[str], environment: Mapping[str, str] | None = None, where: Path | None = None) -> str:
        """What the program `words[0]`, a path inside the root, printed. Nothing of this environment reaches it.

        Raises TargetError, in one line, when the emulator is missing, the program ends with an error or by a signal,
        or has not ended after fifteen minutes.
        """
        check_tools([EMULATOR])
        program = self.root / words[0].lstrip("/")
        plugin = ["-plugin", self.plugin] if self.plugin else []
        command = [*_same_addresses(), EMULATOR, "-L", str(self.root), "-cpu", self.cpu, *plugin, str(program)]
        try:
            done = subprocess.run(
                [*command, *words[1:]], capture_output=True, text=True, errors="replace", check=False,
                stdin=subprocess.DEVNULL, env={**self._environment(), **(environment or {})}, cwd=where,
                timeout=LONGEST_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"{program.name} on {self.cpu} took over {LONGEST_SECONDS} s: choose shorter lengths"
            ) from None
        if done.returncode:
            raise TargetError(f"{program.name} on an emulated {self.cpu}: {ending(done.returncode, done.stderr)}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """All that the program is told; the order of a hash or a thread more would change the counts."""
        return {
            "PATH": "/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONHOME": f"{self.root}/usr",
            "PYTHONPATH": f"{self.root}{SITE}", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false", "ORT_DISABLE_TELEMETRY": "1",
        }  # fmt: skip


def ending(code: int, stderr: str) -> str:
    """Why a program ended with this code: what a signal means, or its own last line."""
    number = -code if code < 0 else code - 128
    if number in REASONS:
        return f"{REASONS[signal.Signals(number)]} ({signal.Signals(number).name})"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return f"it ended with code {code} ({lines[-1][:300] if lines else 'it said nothing'})"


@cache
def _same_addresses() -> tuple[str, ...]:
    """The words that turn address randomization off; none where that is forbidden, as in some containers."""
    words = ("setarch", "-R")
    if shutil.which(words[0]) is None:
        return ()
    return () if subprocess.run([*words, "true"], capture_output=True, check=False).returncode else words
