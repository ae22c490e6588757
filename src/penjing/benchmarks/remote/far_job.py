"""The job on the board: starts a far side there, passes on what it says, and explains how it ended.

A far side is `far_side.py`, or another module that talks as it does (`far_times.py`). Lines without our mark are a
greeting's or a library's and are passed over. Left out: what the findings mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...runtime import errors
from ...runtime.errors import PenjingError, TargetError
from ..far_side import MARK
from ..last_line import last_line
from . import there
from .connection import Connection
from .look import Board
from .porter import disk_full, porter_command, porter_input, refused

MODULE = "penjing.benchmarks.far_side"
FAR_SIDES = "penjing.benchmarks.far_"
"""Begins the name of every module that may run there."""
SHOWN = 120
"""Characters of what nobody can read."""
Message = tuple[str, Any]


def far_messages(
    connection: Connection, board: Board, python: str, code: str, text: str, module: str = MODULE
) -> Iterator[Message]:
    """What the far side `module` says to the job `text`: ("machine", ...), then ("finding", ...) each, as they come.

    Raises ConnectionLostError, the error that the far side met, or a TargetError when the job ends in another way.
    """
    end: Message = ("garbage", "")
    with connection.start(porter_command(python)) as process:
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(porter_input(_job(board, python, code, text, module)) + text.encode())
            process.stdin.flush()  # and left open: its end would end the job
        for raw in process.stdout:
            kind, value = _message(connection, raw.decode(errors="replace"))
            if kind in ("machine", "finding"):
                yield kind, value
            elif end[0] == "garbage" and not (kind == "garbage" and end[1]):
                end = kind, value
        answer = connection.finish(process)
    if end[0] != "end":
        raise _explain(connection, board, end, answer.err)


def _job(board: Board, python: str, code: str, text: str, module: str) -> dict[str, Any]:
    return {
        "do": "run", "command": [python, "-m", module], "code": code, "environment": {"PYTHONUTF8": "1"},
        "lock": f"{board.work}/lock", "bytes": len(text.encode()),
    }  # fmt: skip


def _message(connection: Connection, line: str) -> Message:
    """Kind and value of a line; of one without a mark, "garbage" and the line."""
    for mark, origin in ((MARK, ""), (there.MARK, "there ")):
        if mark in line:
            try:
                kind, value = next(iter(json.loads(line.partition(mark)[2]).items()))
            except (ValueError, AttributeError, StopIteration):
                raise _unreadable(connection, line) from None
            return origin + kind, value
    return "garbage", line.strip()


def _unreadable(connection: Connection, line: str) -> TargetError:
    shown = "".join(char if char.isprintable() else "?" for char in line.strip())[:SHOWN]
    step = f"see what `{connection.address.by_hand} true` prints, and let its login print nothing"
    return TargetError(f"{connection.address.host} answered what we cannot read ({shown!r}): {step}")


def _explain(connection: Connection, board: Board, end: Message, words: str) -> PenjingError:
    kind, value = end
    host = connection.address.host
    if kind == "error":
        return _theirs(host, value)
    if kind == "there error":
        return refused(connection, value)
    if kind == "there busy":
        step = f"wait for its end, or end it with `{connection.address.by_hand} pkill -f {FAR_SIDES}`"
        return TargetError(f"another measurement runs on {host}, and two would disturb each other: {step}")
    if "No space left" in words:
        return disk_full(host)
    if kind != "there exit":
        return _unreadable(connection, value or last_line(words))
    return TargetError(_ended(host, board, value, words))


def _theirs(host: str, error: dict[str, str]) -> PenjingError:
    """The error that the far side met, of its own kind."""
    kind = getattr(errors, error["kind"], TargetError)
    known = isinstance(kind, type) and issubclass(kind, PenjingError)
    return (kind if known else TargetError)(f"on {host}: {error['message']}")


def _ended(host: str, board: Board, code: int | str, words: str) -> str:
    if code == "SIGILL":
        has = " ".join(board.features) or "unknown ones"
        return (
            f"the processor of {host} ({board.machine}) lacks an instruction that the engine uses (it has {has}):"
            " measure another file or engine with --engine or --precision, or install an engine that is built for it"
        )
    if code == "SIGKILL":
        return f"the measurement on {host} was killed, most likely for its memory: measure fewer files at a time"
    return f"the measurement on {host} ended with {code} ({last_line(words)}): run again, or update Python there"
