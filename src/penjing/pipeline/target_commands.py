"""`penjing target`: prepares what is measured on. Left out: measuring (`bench_command.py`, `predict_commands.py`)."""

from __future__ import annotations

from typing import Annotated

import typer

from ..runtime.errors import TargetError
from .extras import require
from .predict_commands import profile
from .terminal import note, print_facts

target_app = typer.Typer(help="Prepare targets to measure on.", rich_markup_mode=None, no_args_is_help=True)
SETUPS = ("qemu",)
target_app.command()(profile)


@target_app.command("setup")
def setup(
    target: Annotated[str, typer.Argument(metavar="qemu", help="The kind of target.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
) -> None:
    """Builds the arm64 userland for qemu targets in the cache folder, from Debian's packages and PyPI's wheels.

    Says what it needs and how many MB, and asks before it downloads. Boards and phones need no setup: they are prepared
    when they are measured.

    \b
    Examples:
      penjing target setup qemu
      penjing target setup qemu --yes
    """
    require("benchmarks")
    if target.partition(":")[0] not in SETUPS:
        raise TargetError(f"{target!r} needs no setup: give {', '.join(SETUPS)}, or measure on it at once")
    from ..benchmarks.arm64.boards import BOARDS
    from ..benchmarks.arm64.userland import set_up_userland

    root = set_up_userland(ask=lambda question: yes or _agreed(question), say=note)
    print_facts([("userland", str(root)), ("targets", ", ".join(f"qemu:{core}" for core in BOARDS))])


def _agreed(question: str) -> bool:
    """Asks at the terminal; without one the answer is no."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False
