"""An emulated core that is ready to run: its board's files, the emulator, what the userland has installed.

Left out: setting the userland up (`userland.py`), and what runs on the core.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import psutil

from ...runtime.errors import TargetError
from ..machine import ENGINE_PACKAGES, PACKAGES, MachineDescription
from ..processor import ISA_FEATURES
from .boards import Board, board_root, find_board
from .build import refresh_programs
from .emulator import SITE, Emulator
from .host_tools import EMULATOR, check_tools
from .userland import find_userland
from .wheels import PYTHON


@dataclass(frozen=True)
class Core:
    """Made by `open_core`."""

    board: Board
    emulator: Emulator

    @cached_property
    def packages(self) -> Mapping[str, str]:
        """Name -> version of what is installed in the userland."""
        there = distributions(path=[str(self.emulator.root / SITE.lstrip("/"))])
        return {found.metadata["Name"]: found.version for found in there}

    @property
    def engine_library(self) -> Path:
        """ONNX Runtime's. Raises TargetError when the userland has none."""
        found = sorted((self.emulator.root / SITE.lstrip("/")).glob("onnxruntime/capi/libonnxruntime.so*"))
        if not found:
            raise TargetError("the arm64 userland has no ONNX Runtime: run `penjing target setup qemu`")
        return found[0]


def open_core(name: str) -> Core:
    """The core of this name, such as cortex-a72.

    Raises TargetError for an unknown core, when the emulator is not installed, and when there is no userland.
    """
    board = find_board(name)
    check_tools([EMULATOR])
    userland = find_userland()
    refresh_programs(userland)
    return Core(board, Emulator(board_root(board, userland), board.qemu_cpu))


def check_engines(core: Core, engines: Collection[str]) -> None:
    """Raises TargetError when an engine has another version there than here: parity would compare the versions."""
    for package in (ENGINE_PACKAGES[engine] for engine in sorted(engines)):
        there = core.packages.get(package, "none")
        try:
            here = version(package)
        except PackageNotFoundError:
            continue  # which is said when the file is opened here
        if here != there:
            raise TargetError(
                f"this machine has {package} {here}, the arm64 userland {there}: run `penjing target setup qemu`"
            )


def describe_core(core: Core) -> MachineDescription:
    """The emulated core as a machine; its memory is this machine's, and no clock or load says anything about it."""
    features = core.board.features.split()
    return MachineDescription(
        cpu=f"emulated {core.board.title}",
        architecture="aarch64",
        cores=1,
        isa=tuple(name for name in ISA_FEATURES if name in features),
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        virtual=True,
        system=_emulator_version(),
        python=PYTHON,
        packages={name: core.packages[name] for name in PACKAGES if name in core.packages},
        governor=None,
        load_average=None,
        busy_share=0.0,
    )


def _emulator_version() -> str:
    """Such as "qemu-aarch64 version 7.2.22 (...)"."""
    done = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, errors="replace", check=False)
    return next(iter(done.stdout.splitlines()), EMULATOR)
