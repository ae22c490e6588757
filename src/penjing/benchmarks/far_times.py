"""The far side of timing model files: takes the rounds of a job on a board and says each file's times as they come.

`python -m penjing.benchmarks.far_times < job.json`; its lines are those of `far_side.py`: the machine, then a finding
for each file in each round, then the end or the error that stopped it. Left out: getting here
(`remote/board_times.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..runtime.errors import PenjingError
from .far_side import say
from .file_times import Done, TimedFile, time_rounds
from .machine import describe_machine
from .plain import to_plain

MODULE = "penjing.benchmarks.far_times"


def times_job(files: Sequence[TimedFile], rounds: int, done: Done) -> str:
    """One line that `read_times_job` understands. The paths are those of the far side."""
    named = [[file.name, file.path.as_posix(), file.engine, file.lengths] for file in files]
    return json.dumps({"files": named, "rounds": rounds, "done": sorted(done)})


def read_times_job(text: str) -> tuple[list[TimedFile], int, set[tuple[str, int, int]]]:
    """Files, rounds, and what is done."""
    job = json.loads(text)
    files = [TimedFile(name, Path(path), engine, tuple(lengths)) for name, path, engine, lengths in job["files"]]
    return files, job["rounds"], {(name, length, i) for name, length, i in job["done"]}


def main() -> None:
    """Reads the job from stdin, says what it finds, and ends with `end` or `error`."""
    files, rounds, done = read_times_job(sys.stdin.read())
    try:
        say("machine", to_plain(describe_machine()))
        for times in time_rounds(files, rounds, done):
            say("finding", to_plain(tuple(times)))
        say("end", True)
    except PenjingError as error:
        say("error", {"kind": type(error).__name__, "message": str(error)})


if __name__ == "__main__":
    main()
