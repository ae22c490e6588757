"""Where measurements run: this machine, an emulated ARM core, a board over SSH, a phone over adb.

Each target is a file with `measure(address, subjects, plan) -> Run`; `measure_on` chooses it by the address's scheme.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.errors import TargetError
from ..plan import Plan, Subject
from ..results import Run

KNOWN = "local, qemu:CPU, ssh://[user@]host[:port], adb://[serial]"


def measure_on(target: str, subjects: Sequence[Subject], plan: Plan) -> Run:
    """Measures on the target of this address. Raises TargetError for an unknown one, or as it does."""
    if target == "local":
        from . import local

        return local.measure(subjects, plan)
    if target.startswith("qemu:"):
        from . import qemu

        return qemu.measure(target, subjects, plan)
    if target.startswith("ssh://"):
        from . import ssh

        return ssh.measure(target, subjects, plan)
    if target.startswith("adb://"):
        from . import adb

        return adb.measure(target, subjects, plan)
    raise TargetError(f"no target {target!r}: give one of {KNOWN}, or a name of your targets.yaml")
