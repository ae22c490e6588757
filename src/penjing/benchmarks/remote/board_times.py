"""Model files timed on a board over SSH, by the same loop as here (`file_times.py`).

Files, code and packages are copied there once, as for a measurement. What the board has timed comes back as it goes,
so that a lost connection takes one file's times at most. Left out: boards without Python, and emulated ones, whose
times are no device's; and removing the files, which stay in ~/.cache/penjing/models there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...runtime.errors import TargetError
from ..far_times import MODULE, times_job
from ..file_times import Done, FileTime, TimedFile, open_blocks
from ..machine import ENGINE_PACKAGES, MachineDescription
from ..plain import from_plain
from .address import parse_address
from .board_python import ALWAYS, ensure_python
from .connection import Connection, connect
from .far_job import Message, far_messages
from .look import Board, look
from .parcel import ParcelFile, send, send_code

PACKAGES = (*ALWAYS, *sorted(ENGINE_PACKAGES.values()))


@dataclass(frozen=True)
class _Ready:
    """A board that has a Python with all packages, and our code."""

    connection: Connection
    board: Board
    python: str
    code: str

    @property
    def host(self) -> str:
        return self.connection.address.host

    def messages(self, job: str) -> Iterator[Message]:
        return far_messages(self.connection, self.board, self.python, self.code, job, MODULE)


def describe_board(address: str) -> MachineDescription:
    """The board of this address, `packages` the versions of both engines; what is missing is installed there.

    Raises TargetError when it cannot be reached, is emulated, lacks something or answers what nobody can read.
    """
    with _ready(address) as ready:
        said = [value for kind, value in ready.messages(times_job((), 0, ())) if kind == "machine"]
        try:
            machine = from_plain(MachineDescription, said[0])
            return replace(machine, packages={name: machine.packages[name] for name in ENGINE_PACKAGES.values()})
        except (IndexError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise TargetError(f"{ready.host} described no machine ({reason}): run again") from None


def time_on_board(
    address: str, files: Sequence[TimedFile], rounds: int, done: Done = ()
) -> Iterator[Sequence[FileTime]]:
    """As `time_rounds`, there. Raises ConnectionLostError when the connection is lost in the middle, the board's own
    EngineError, TargetError as `describe_board` or for a full disk."""
    wanted = {(file.name, n, i) for i, file, lengths in open_blocks(files, rounds, done) for n in lengths}
    if not wanted:
        return
    with _ready(address) as ready:
        parcel = [ParcelFile(file.name, file.path) for file in files]
        folder = send(ready.connection, ready.board, ready.python, "models", parcel)
        there = [replace(file, path=Path(folder) / file.name) for file in files]
        for kind, value in ready.messages(times_job(there, rounds, done)):
            if kind == "finding":
                yield _times(ready.host, value, wanted)


@contextmanager
def _ready(address: str) -> Iterator[_Ready]:
    with connect(parse_address(address)) as connection:
        board = look(connection)
        if board.emulated is not None:
            raise TargetError(
                f"{connection.address.host} is emulated ({board.emulated}), and its times are no device's: count"
                " instructions with qemu:CPU"
            )
        python = ensure_python(connection, board, PACKAGES)
        yield _Ready(connection, board, python, send_code(connection, board, python))


def _times(host: str, raw: Any, wanted: set[tuple[str, int, int]]) -> tuple[FileTime, ...]:
    """What the board said, checked. Raises TargetError for what was not asked, or is no time."""
    try:
        found = tuple(from_plain(FileTime, each) for each in raw)
        for time in found:
            if (time.name, time.length, time.round) not in wanted or not 0 < time.ms < math.inf:
                raise ValueError(f"{time.name} at {time.length}, round {time.round}: {time.ms} ms")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(
            f"{host} sent no time that was asked for ({type(error).__name__}: {error}): run again"
        ) from None
    return found
