"""Commands to `there.py` on the board, and what it answers.

The board's Python reads the script from its stdin, so nothing of it has to be copied or quoted first. Left out: which
files and which job (`parcel.py`, `targets/ssh.py`).
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import Any

from ...runtime.errors import TargetError
from ..last_line import last_line
from .connection import Answer, Connection
from .ssh_errors import lost
from .there import MARK

SCRIPT = (Path(__file__).parent / "there.py").read_bytes()


def porter_command(python: str) -> str:
    """What the login shell gets: Python that runs the script at the beginning of its stdin."""
    return f'{quote(python)} -c "import sys;exec(sys.stdin.buffer.read({len(SCRIPT)}))"'


def porter_input(job: dict[str, Any]) -> bytes:
    """The script and the job, as `there.py` reads them; what the job needs follows."""
    return SCRIPT + json.dumps(job).encode() + b"\n"


def ask_porter(connection: Connection, python: str, job: dict[str, Any], chunks: Iterable[bytes] = ()) -> Any:
    """What the porter answers to a job that is no `run`. Raises TargetError when it could not do it."""
    answer = connection.run(porter_command(python), chain([porter_input(job)], chunks))
    said = [json.loads(line) for line in marked(answer.out.splitlines(), MARK)]
    if not said:
        raise _silent(connection, answer)
    kind, value = next(iter(said[-1].items()))
    if kind == "error":
        raise refused(connection, value)
    return value


def marked(lines: Iterable[str], mark: str) -> Iterable[str]:
    """What follows the mark in each line that has one: a library may have left a line open before it."""
    return (line.partition(mark)[2] for line in lines if mark in line)


def refused(connection: Connection, error: dict[str, Any]) -> TargetError:
    """The error for an OSError there."""
    host = connection.address.host
    if error["errno"] in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(host)
    if error["errno"] is None:
        return lost(error["words"], connection.address)
    step = "give the login a home it can write, or set XDG_CACHE_HOME there to a folder it can"
    return TargetError(f"{host} refused a file ({error['words']}): {step}")


def disk_full(host: str, needs: str = "") -> TargetError:
    """The error for a full disk; `needs` says how much was wanted."""
    step = "free space there, for example what earlier measurements left in ~/.cache/penjing"
    return TargetError(f"the disk of {host} is full{needs}: {step}")


def _silent(connection: Connection, answer: Answer) -> TargetError:
    said = last_line(answer.err or answer.out)
    if "No space left" in said:
        return disk_full(connection.address.host)
    step = f"see what `{connection.address.by_hand} python3 --version` prints"
    return TargetError(f"Python on {connection.address.host} gave no answer we can read ({said}): {step}")
