"""What this machine must have to set up and run an emulated ARM core, and the line that installs what is missing.

Left out: machines without apt, where none of this works.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from ...runtime.errors import TargetError

EMULATOR = "qemu-aarch64"
CROSS_COMPILER = "aarch64-linux-gnu-gcc"
SETUP_TOOLS = {
    "apt-get": "apt", "dpkg-deb": "dpkg", EMULATOR: "qemu-user", "gcc": "gcc", CROSS_COMPILER: "gcc-aarch64-linux-gnu"
}  # fmt: skip
"""Command -> the Debian package that has it."""
CYCLE_TOOLS = {"llvm-mc-19": "llvm-19", "llvm-mca-19": "llvm-19"}
"""Without them there are instruction counts, but no modelled cycles."""


def check_setup_tools() -> None:
    """Raises TargetError with the line that installs what is missing, or on a machine without apt."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise TargetError(
            "qemu targets are made of Debian's packages, and this machine has no apt-get and dpkg-deb: use Debian or"
            " Ubuntu, or measure on a board with ssh://"
        )
    check_tools(tuple(SETUP_TOOLS))


def check_tools(commands: Sequence[str]) -> None:
    """Raises TargetError that names those of `commands` that are missing, and how to install them."""
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        packages = sorted({SETUP_TOOLS[command] for command in missing})
        raise TargetError(
            f"this machine lacks {', '.join(missing)}: run `sudo apt-get install {' '.join(packages)}` and try again"
        )


def can_model_cycles() -> bool:
    """Whether llvm-mca and its disassembler are here."""
    return all(shutil.which(command) for command in CYCLE_TOOLS)
