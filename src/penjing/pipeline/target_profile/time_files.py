"""How long model files take on a machine, as rows: several rounds over all of them, in a random order each.

The timing itself is `benchmarks/file_times.py`, which runs here or on a board. Left out: what is done with the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from ...benchmarks.file_times import TimedFile, TimeSource, time_rounds
from .files import ModelFile
from .rows import Place, Row, RowFile

ROUNDS = 5


def time_files(
    files: Sequence[ModelFile], rows: RowFile, rounds: int = ROUNDS, source: TimeSource = time_rounds
) -> list[Row]:
    """The rows of all rounds, those that `rows` holds already and new ones, which are added to it as they come.

    `source` times the files, here if it is not told. Raises what it raises: EngineError when a file cannot be opened or
    run, TargetError when a board is lost.
    """
    found, named = rows.read(), {file.path.name: file for file in files}
    timed = [TimedFile(name, file.path, file.engine, file.lengths) for name, file in named.items()]
    wanted = {place: name for name, file in named.items() for place in places(file)}
    done = {(wanted[row.place], row.place.length, row.round) for row in found if row.place in wanted}
    with tqdm(total=len(wanted) * rounds, initial=len(done), desc="time", disable=None, leave=False) as bar:
        for times in source(timed, rounds, done):
            new = [Row(_place(named[time.name], time.length), time.round, time.ms) for time in times]
            rows.add(new)
            found += new
            bar.update(len(new))
    return [row for row in found if row.place in wanted and row.round < rounds]


def places(file: ModelFile) -> list[Place]:
    """One for each length of the file."""
    return [_place(file, length) for length in file.lengths]


def _place(file: ModelFile, length: int) -> Place:
    return Place(file.student.name, file.engine, file.precision, length)
